// A linear layer for CPUs with AVX2 and without VNNI: activations in 7 bits with a scale and a zero
// point per row, weights in 7 bits with a scale per column, GELU in the same pass.
//
// AVX2 multiplies bytes in two steps: vpmaddubsw adds pairs of products in 16 bits, vpmaddwd adds
// pairs of those in 32. With eight bits a pair can saturate already; with 127 * 63 at most, the sum
// of two pairs still fits (4 * 127 * 63 = 32004 < 2^15), so one vpmaddwd serves two vpmaddubsw:
// five instructions for 64 products instead of six.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/cpu/vec/vec.h>
#include <immintrin.h>
#include <torch/library.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace {

using Floats = at::vec::Vectorized<float>;
using Sums = __m256i[2];
constexpr int64_t ROWS = 4;      // of activations, in registers at a time
constexpr int64_t COLUMNS = 16;  // of the result, in a panel of packed weights
constexpr int64_t STEP = 8;      // bytes of a row in one turn of the inner loop

// x ~ scale * (q - zero), q in 0..127.
void quantize(const float* x, int64_t k, uint8_t* q, float& scale, float& zero) {
  float low = 0, high = 0;
#pragma omp simd reduction(min : low) reduction(max : high)
  for (int64_t i = 0; i < k; ++i) {
    low = std::min(low, x[i]);
    high = std::max(high, x[i]);
  }
  scale = std::max(high - low, 1e-30f) / 127;
  const float inverse = 1 / scale;
  zero = static_cast<float>(static_cast<int32_t>(0.5f - low * inverse));
  const float shift = zero + 0.5f;
#pragma omp simd
  for (int64_t i = 0; i < k; ++i)
    q[i] = static_cast<uint8_t>(static_cast<int32_t>(std::min(x[i] * inverse + shift, 127.0f)));
}

// Sums of products of R rows with one panel: [k / 8][4-byte half][8 columns, twice][4 bytes].
template <int64_t R>
void multiply(const uint8_t* a, int64_t k, const int8_t* panel, Sums* out) {
  const __m256i ones = _mm256_set1_epi16(1);
  Sums sum[R];
  for (auto& row : sum) row[0] = row[1] = _mm256_setzero_si256();
  for (int64_t i = 0; i < k; i += STEP, panel += STEP * COLUMNS) {
    const auto* w = reinterpret_cast<const __m256i*>(panel);
#pragma GCC unroll 8
    for (int64_t r = 0; r < R; ++r) {
      int32_t four[2];
      std::memcpy(four, a + r * k + i, STEP);
      const __m256i low = _mm256_set1_epi32(four[0]), high = _mm256_set1_epi32(four[1]);
#pragma GCC unroll 2
      for (int j = 0; j < 2; ++j) {
        const __m256i pairs = _mm256_add_epi16(
            _mm256_maddubs_epi16(low, _mm256_loadu_si256(w + j)),
            _mm256_maddubs_epi16(high, _mm256_loadu_si256(w + 2 + j)));
        sum[r][j] = _mm256_add_epi32(sum[r][j], _mm256_madd_epi16(pairs, ones));
      }
    }
  }
  std::memcpy(out, sum, sizeof(sum));
}

// x * Phi(x), where Phi(x) - 1/2 is an odd polynomial up to |x| = 4 and constant beyond: fitted by
// least squares reweighted to the minimax error, which is 4e-5 there and 4e-5 |x| beyond. What comes
// out is next cut into 127 steps.
Floats gelu(Floats x) {
  constexpr float TERMS[] = {-1.30129397e-9f, 1.04196027e-7f, -3.6571328e-6f, 7.48550507e-5f,
                             -1.00649048e-3f, 9.50539879e-3f, -6.58878442e-2f, 3.98673395e-1f};
  const Floats c = at::vec::clamp(x, Floats(-4), Floats(4)), square = c * c;
  Floats sum(0);
  for (const float term : TERMS) sum = at::vec::fmadd(sum, square, Floats(term));
  return x * at::vec::fmadd(sum, c, Floats(0.5f));
}

// x (..., k) float32 times weight^T plus bias: (..., n). `weight` is packed by tuned.py.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& scales,
                  const at::Tensor& sums, const at::Tensor& bias, int64_t n, bool with_gelu) {
  const at::Tensor input = x.contiguous();
  const int64_t k = input.size(-1), m = input.numel() / k, padded = weight.size(1) / COLUMNS;
  TORCH_CHECK(input.scalar_type() == at::kFloat && k <= padded && padded < k + STEP,
              "linear: float32 (..., ", padded, ") is wanted");
  auto shape = input.sizes().vec();
  shape.back() = n;
  const at::Tensor out = at::empty(shape, input.options());
  std::vector<uint8_t> q(m * padded);  // zero where a row is filled up
  std::vector<float> scale(m), zero(m);
  const float *from = input.const_data_ptr<float>(), *factors = scales.const_data_ptr<float>(),
              *offsets = sums.const_data_ptr<float>(), *biases = bias.const_data_ptr<float>();
  const int8_t* packed = weight.const_data_ptr<int8_t>();
  float* to = out.data_ptr<float>();
  at::parallel_for(0, m, 8, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      quantize(from + r * k, k, &q[r * padded], scale[r], zero[r]);
  });
  at::parallel_for(0, weight.size(0), 1, [&](int64_t begin, int64_t end) {
    for (int64_t first = begin * COLUMNS; first < end * COLUMNS; first += COLUMNS) {
      const int8_t* panel = packed + first * padded;
      const size_t width = sizeof(float) * std::min(COLUMNS, n - first);
      for (int64_t r = 0; r < m; r += ROWS) {
        Sums tile[ROWS];
        switch (m - r) {
          case 1: multiply<1>(&q[r * padded], padded, panel, tile); break;
          case 2: multiply<2>(&q[r * padded], padded, panel, tile); break;
          case 3: multiply<3>(&q[r * padded], padded, panel, tile); break;
          default: multiply<ROWS>(&q[r * padded], padded, panel, tile);
        }
        for (int64_t i = r; i < std::min(r + ROWS, m); ++i) {
          float row[COLUMNS];
          for (int64_t j = 0; j < COLUMNS; j += 8) {
            const int64_t c = first + j;
            const Floats product(_mm256_cvtepi32_ps(tile[i - r][j / 8]));
            const Floats y = (product - Floats(zero[i]) * Floats::loadu(offsets + c)) *
                (Floats(scale[i]) * Floats::loadu(factors + c)) + Floats::loadu(biases + c);
            (with_gelu ? gelu(y) : y).store(row + j);
          }
          std::memcpy(to + i * n + first, row, width);
        }
      }
    }
  });
  return out;
}

}  // namespace

TORCH_LIBRARY(VITBENCH_NAMESPACE, library) {
  library.def("linear(Tensor x, Tensor weight, Tensor scales, Tensor sums, Tensor bias, int n, "
              "bool gelu) -> Tensor");
}

TORCH_LIBRARY_IMPL(VITBENCH_NAMESPACE, CPU, library) { library.impl("linear", &linear); }
