// A linear layer in int8, with the LayerNorm before it, and the GELU and the residual after it.
#include <torch/library.h>

#include <optional>

#include "tiles.h"

namespace {

// Calls f(i, u, count) for each vector of k values, from i on, where u, 0 to 3, says which of four sums
// the vector may go to: they do not wait for each other.
template <class F>
[[gnu::always_inline]] inline void each_vector(int64_t k, const F& f) {
  int64_t i = 0;
  for (; i + 4 * LANES <= k; i += 4 * LANES)
#pragma GCC unroll 4
    for (int64_t u = 0; u < 4; ++u) f(i + u * LANES, u, LANES);
  for (; i < k; i += LANES) f(i, 0, std::min(LANES, k - i));
}

// The sum of a function of each vector of a row; `of` gives 0 for what fills up the last one.
template <class Of>
[[gnu::always_inline]] inline float total(int64_t k, const Of& of) {
  Floats sums[4] = {Floats(0), Floats(0), Floats(0), Floats(0)};
  each_vector(k, [&](int64_t i, int64_t u, int64_t count) { sums[u] = sums[u] + of(i, count); });
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])).reduce_add();
}

void layer_norm(float* x, int64_t k, const float* weight, const float* bias, float eps) {
  const Floats mean(total(k, [&](int64_t i, int64_t n) { return load(x + i, n); }) / k);
  const Floats inverse(1 / std::sqrt(eps + total(k, [&](int64_t i, int64_t n) {
    const Floats from_mean = Floats::set(Floats(0), load(x + i, n) - mean, n);
    return from_mean * from_mean;
  }) / k));
  each_vector(k, [&](int64_t i, int64_t, int64_t n) {
    const Floats y = (load(x + i, n) - mean) * inverse * load(weight + i, n) + load(bias + i, n);
    store(x + i, y, n);
  });
}

// x ~ scale * (q - zero), q in 0..LEVELS.
void quantize(const float* x, int64_t k, uint8_t* q, float& scale, float& zero) {
  Floats below[4] = {Floats(0), Floats(0), Floats(0), Floats(0)};
  Floats above[4] = {Floats(0), Floats(0), Floats(0), Floats(0)};
  each_vector(k, [&](int64_t i, int64_t u, int64_t n) {
    const Floats some = load(x + i, n);  // filled up with zeros
    below[u] = at::vec::clamp_min(some.neg(), below[u]);
    above[u] = at::vec::clamp_min(some, above[u]);
  });
  const auto largest = [](const Floats* of) {
    using at::vec::clamp_min;
    return clamp_min(clamp_min(of[0], of[1]), clamp_min(of[2], of[3])).reduce_max();
  };
  const float low = -largest(below), high = largest(above);
  scale = std::max(high - low, 1e-30f) / LEVELS;
  const float inverse = 1 / scale;
  zero = static_cast<float>(static_cast<int32_t>(0.5f - low * inverse));
  const float shift = zero + 0.5f;
#pragma omp simd
  for (int64_t i = 0; i < k; ++i)
    q[i] = static_cast<uint8_t>(static_cast<int32_t>(std::min(x[i] * inverse + shift, LEVELS)));
}

// x * Phi(x), where Phi(x) - 1/2 is an odd polynomial up to |x| = 4 and constant beyond: fitted by
// least squares reweighted to the minimax error, which is 4e-5 there and 4e-5 |x| beyond. What
// comes out is next cut into LEVELS steps.
Floats gelu(Floats x) {
  constexpr float TERMS[] = {-1.30129397e-9f, 1.04196027e-7f, -3.6571328e-6f, 7.48550507e-5f,
                             -1.00649048e-3f, 9.50539879e-3f, -6.58878442e-2f, 3.98673395e-1f};
  const Floats c = at::vec::clamp(x, Floats(-4), Floats(4)), square = c * c;
  Floats sum(0);
  for (const float term : TERMS) sum = at::vec::fmadd(sum, square, Floats(term));
  return x * at::vec::fmadd(sum, c, Floats(0.5f));
}

// The rows of x (m, k), normalized where `norm` (2, k) is given, in bytes (m, padded).
template <class From>
void quantize_rows(const at::Tensor& x, const float* norm, float eps, int64_t k, int64_t padded,
                   uint8_t* q, float* scale, float* zero) {
  const From* from = x.const_data_ptr<From>();
  at::parallel_for(0, x.numel() / k, 8, [&](int64_t begin, int64_t end) {
    std::vector<float> row(k);
    for (int64_t r = begin; r < end; ++r) {
      each_vector(k, [&](int64_t i, int64_t, int64_t n) {
        store(&row[i], load(from + r * k + i, n), n);
      });
      if (norm) layer_norm(row.data(), k, norm, norm + k, eps);
      quantize(row.data(), k, q + r * padded, scale[r], zero[r]);
    }
  });
}

// What follows a product: y = scale * (product - zero * sum) + bias, its GELU, plus the residual.
struct Finish {
  const float *row_scale, *row_zero, *scale, *sum, *bias, *residual;
  bool with_gelu;
  int64_t n;

  template <class To>
  void operator()(const float* product, int64_t row, int64_t rows, int64_t first, To* out) const {
    for (int64_t r = row; r < row + rows; ++r, product += COLUMNS) {
      const Floats by(row_scale[r]), zero(row_zero[r]);
      for (int64_t c = first; c < std::min(first + COLUMNS, n); c += LANES) {
        const int64_t count = std::min(LANES, n - c);
        Floats y = (Floats::loadu(product + c - first) - zero * Floats::loadu(sum + c)) *
                (by * Floats::loadu(scale + c)) + Floats::loadu(bias + c);
        if (with_gelu) y = gelu(y);
        if (residual) y = y + Floats::loadu(residual + r * n + c, count);
        store(out + r * n + c, y, count);
      }
    }
  }
};

// LayerNorm(x) (..., k) times weight^T plus bias, its GELU, plus the residual: (..., n), float32 or
// Half. `norm` is (2, k), weight and bias; `weight` and `columns` are packed by layers.py.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& columns,
                  int64_t n, const std::optional<at::Tensor>& norm, double eps, bool with_gelu,
                  const std::optional<at::Tensor>& residual, bool half) {
  const at::Tensor input = x.contiguous();
  const int64_t k = input.size(-1), m = input.numel() / k, padded = weight.size(1) / COLUMNS;
  const bool narrow = input.scalar_type() == c10::CppTypeToScalarType<Half>::value;
  TORCH_CHECK((narrow || input.scalar_type() == at::kFloat) && k <= padded && padded < k + 8,
              "linear: float32 (..., ", padded, ") is wanted");
  auto shape = input.sizes().vec();
  shape.back() = n;
  const at::Tensor out = half ? empty<Half>(shape, x) : empty<float>(shape, x);
  TORCH_CHECK(!residual ||
                  (residual->sizes() == out.sizes() && residual->scalar_type() == at::kFloat),
              "linear: a float32 residual ", out.sizes(), " is wanted");
  const at::Tensor added = residual ? residual->contiguous() : at::Tensor();
  // What fills up a row meets weights of zero.
  const at::Tensor bytes = empty<uint8_t>({m, padded}, x);
  std::vector<float> scale(m), zero(m);
  uint8_t* q = bytes.data_ptr<uint8_t>();
  (narrow ? quantize_rows<Half> : quantize_rows<float>)(
      input, norm ? norm->const_data_ptr<float>() : nullptr, static_cast<float>(eps), k, padded, q,
      scale.data(), zero.data());
  const float* column = columns.const_data_ptr<float>();
  const Finish finish{scale.data(), zero.data(), column, column + columns.size(1),
                      column + 2 * columns.size(1),
                      residual ? added.const_data_ptr<float>() : nullptr, with_gelu, n};
  const auto* rows_of = reinterpret_cast<const int32_t*>(q);
  const auto* panels = reinterpret_cast<const int32_t*>(weight.const_data_ptr<int8_t>());
  const int64_t blocks = up(m, ROWS), values = padded / 4;
  void* to = out.mutable_data_ptr();
  at::parallel_for(0, weight.size(0) * blocks, 1, [=](int64_t begin, int64_t end) {
    float product[ROWS * COLUMNS];
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t first = unit / blocks * COLUMNS, row = unit % blocks * ROWS;
      const int64_t rows = std::min(ROWS, m - row);
      if (finish.residual)  // another core has it, or the L3
        for (int64_t r = row; r < row + rows; ++r)
          for (int64_t c = first; c < first + COLUMNS; c += 16)
            __builtin_prefetch(finish.residual + r * n + c);
      // The next panel comes from the memory while this one is multiplied with every row.
      const int64_t lines = up(8 * COLUMNS / LINE, blocks), done = unit % blocks * lines;
      const bool needed = unit / blocks < (end - 1) / blocks && done < 8 * COLUMNS / LINE;
      const Ahead ahead{panels + (first + COLUMNS) * values + done * LINE * (values / 8),
                        needed ? lines : 0};
      multiply_some<Int8>(rows, rows_of + row * values, values, panels + first * values, values,
                          product, COLUMNS, ahead);
      if (half) finish(product, row, rows, first, static_cast<Half*>(to));
      else finish(product, row, rows, first, static_cast<float*>(to));
    }
  });
  return out;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(VITBENCH_NAMESPACE, library) {
  library.def("linear(Tensor x, Tensor weight, Tensor columns, int n, Tensor? norm, float eps, "
              "bool gelu, Tensor? residual, bool half) -> Tensor");
}

TORCH_LIBRARY_IMPL(VITBENCH_NAMESPACE, CPU, library) { library.impl("linear", &linear); }
