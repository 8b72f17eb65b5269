// A linear layer in int8 or bfloat16, with the LayerNorm before it, and the GELU and the residual
// after it.
#include <torch/library.h>

#include <optional>

#include "tiles.h"

namespace {

using namespace VITBENCH_NAMESPACE;

// Calls f(i, u, count) for each vector of k values, from i on, where u, 0 to 3, says which of four
// sums the vector may go to: they do not wait for each other.
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

// A row as the tiles take it. What fills it up meets weights of zero.
template <class Kind>
void prepare(const float* row, int64_t k, int32_t* to, float& scale, float& zero) {
  if constexpr (Kind::BYTES) return quantize(row, k, reinterpret_cast<uint8_t*>(to), scale, zero);
#ifdef __AVX512BF16__
  scale = 1, zero = 0;
  each_vector(k, [&](int64_t i, int64_t, int64_t n) {
    store(reinterpret_cast<Half*>(to) + i, load(row + i, n), n);
  });
#endif
}

// What follows a product: y = scale * (product - zero * sum) + bias, its GELU, plus the residual.
template <class To>
void finish(const Linear& layer, const Rows& rows, const float* product, int64_t row,
            int64_t count, int64_t first, const float* residual, To* y) {
  for (int64_t r = row; r < row + count; ++r, product += COLUMNS) {
    const Floats by(rows.scale[r]), zero(rows.zero[r]);
    for (int64_t c = first; c < std::min(first + COLUMNS, layer.n); c += LANES) {
      const int64_t some = std::min(LANES, layer.n - c);
      Floats value = (Floats::loadu(product + c - first) - zero * Floats::loadu(layer.sum + c)) *
              (by * Floats::loadu(layer.scale + c)) + Floats::loadu(layer.bias + c);
      if (layer.with_gelu) value = gelu(value);
      if (residual) value = value + load(residual + r * layer.n + c, some);
      store(y + r * layer.n + c, value, some);
    }
  }
}

template <class Kind, class From, class To>
void linear_with(const Team& team, const Linear& layer, const From* x, int64_t begin, int64_t end,
               const Rows& rows, const float* residual, To* y) {
  const int64_t k = layer.k, n = layer.n, values = layer.values, blocks = up(end - begin, ROWS);
  const int64_t lines = values * COLUMNS / LINE;  // cache lines of a panel
  const auto [some, others] = team.share(end - begin);
  const auto [unit_begin, unit_end] = team.share(up(n, COLUMNS) * blocks);
  static thread_local std::vector<float> row;
  row.resize(up(k, LANES) * LANES);
  for (int64_t r = begin + some; r < begin + others; ++r) {
    // The first panel comes from the memory meanwhile.
    const int64_t part = up(lines, others - some), done = (r - begin - some) * part;
    for (int64_t line = done; line < std::min(done + part, lines); ++line)
      __builtin_prefetch(layer.panels + unit_begin / blocks * COLUMNS * values + line * LINE, 0, 2);
    const From* from = x + r * k;
    each_vector(k, [&](int64_t i, int64_t, int64_t m) { store(&row[i], load(from + i, m), m); });
    if (layer.norm) layer_norm(row.data(), k, layer.norm, layer.norm + k, layer.eps);
    prepare<Kind>(row.data(), k, rows.values + r * rows.stride, rows.scale[r], rows.zero[r]);
  }
  team.wait();
  float product[ROWS * COLUMNS];
  for (int64_t unit = unit_begin; unit < unit_end; ++unit) {
    const int64_t first = unit / blocks * COLUMNS, row = begin + unit % blocks * ROWS;
    const int64_t count = std::min(ROWS, end - row);
    if (residual)  // another core has it, or the L3
      for (int64_t r = row; r < row + count; ++r)
        for (int64_t c = first; c < first + COLUMNS; c += LINE)
          __builtin_prefetch(residual + r * n + c);
    // The next panel comes from the memory while this one is multiplied with every row.
    constexpr int64_t EACH = 8 * COLUMNS / LINE;  // lines of 8 values of k
    const int64_t part = up(EACH, blocks), done = unit % blocks * part;
    const bool needed = unit / blocks < (unit_end - 1) / blocks && done < EACH;
    const Ahead ahead{layer.panels + (first + COLUMNS) * values + done * LINE * (values / 8),
                      needed ? part : 0};
    multiply_some<Kind>(count, rows.values + row * rows.stride, rows.stride,
                        layer.panels + first * values, values, product, COLUMNS, ahead);
    finish(layer, rows, product, row, count, first, residual, y);
  }
}

}  // namespace

namespace VITBENCH_NAMESPACE {

Linear::Linear(const at::Tensor& weight, const at::Tensor& columns, int64_t n, int64_t k,
               const at::Tensor* norm, double eps, bool with_gelu)
    : panels(static_cast<const int32_t*>(weight.const_data_ptr())),
      values(weight.size(1) * weight.element_size() / 4 / COLUMNS),
      bytes(weight.scalar_type() == at::kChar),
      scale(columns.const_data_ptr<float>()),
      sum(scale + columns.size(1)),
      bias(sum + columns.size(1)),
      norm(norm ? norm->const_data_ptr<float>() : nullptr),
      eps(static_cast<float>(eps)),
      with_gelu(with_gelu),
      n(n),
      k(k) {}

template <class From, class To>
void linear_share(const Team& team, const Linear& layer, const From* x, int64_t begin, int64_t end,
            const Rows& rows, const float* residual, To* y) {
#ifdef __AVX512BF16__
  if (!layer.bytes) return linear_with<Bfloat16>(team, layer, x, begin, end, rows, residual, y);
#endif
  linear_with<Int8>(team, layer, x, begin, end, rows, residual, y);
}

template void linear_share(const Team&, const Linear&, const float*, int64_t, int64_t, const Rows&,
                     const float*, float*);
#ifdef __AVX512BF16__
template void linear_share(const Team&, const Linear&, const float*, int64_t, int64_t, const Rows&,
                     const float*, Half*);
template void linear_share(const Team&, const Linear&, const Half*, int64_t, int64_t, const Rows&,
                     const float*, float*);
template void linear_share(const Team&, const Linear&, const Half*, int64_t, int64_t, const Rows&,
                     const float*, Half*);
#endif

}  // namespace VITBENCH_NAMESPACE

namespace {

// LayerNorm(x) (..., k) times weight^T plus bias, its GELU, plus the residual: (..., n), float32 or
// Half. `norm` is (2, k), weight and bias; `weight` and `columns` are packed by layers.py.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& columns,
                  int64_t n, const std::optional<at::Tensor>& norm, double eps, bool with_gelu,
                  const std::optional<at::Tensor>& residual, bool half) {
  const at::Tensor input = x.contiguous();
  const int64_t k = input.size(-1), m = input.numel() / k;
  const Linear layer(weight, columns, n, k, norm ? &*norm : nullptr, eps, with_gelu);
  const int64_t padded = layer.values * (layer.bytes ? 4 : 2);
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
  const at::Tensor values = empty<int32_t>({m, layer.values}, x), scales = empty<float>({2, m}, x);
  const Rows rows{values.data_ptr<int32_t>(), layer.values, scales.data_ptr<float>(),
                  scales.data_ptr<float>() + m};
  const float* with = residual ? added.const_data_ptr<float>() : nullptr;
  const auto to = [&](const auto* from) {
    together([&](const Team& team) {
      if (half) linear_share(team, layer, from, 0, m, rows, with, out.mutable_data_ptr<Half>());
      else linear_share(team, layer, from, 0, m, rows, with, out.mutable_data_ptr<float>());
    });
  };
  if (narrow) to(input.const_data_ptr<Half>());
  else to(input.const_data_ptr<float>());
  return out;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(VITBENCH_NAMESPACE, library) {
  library.def("linear(Tensor x, Tensor weight, Tensor columns, int n, Tensor? norm, float eps, "
              "bool gelu, Tensor? residual, bool half) -> Tensor");
}

TORCH_LIBRARY_IMPL(VITBENCH_NAMESPACE, CPU, library) { library.impl("linear", &linear); }
