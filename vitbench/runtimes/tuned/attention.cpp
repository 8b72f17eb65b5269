// Self-attention in bfloat16, where the CPU multiplies that; else by torch, in float32.
#include <ATen/ops/scaled_dot_product_attention.h>
#include <torch/library.h>

#include <numbers>

#include "tiles.h"

namespace {

using namespace VITBENCH_NAMESPACE;

#ifdef __AVX512BF16__
// The columns of a product with the keys, pairs of their d values: (panels, d / 2, COLUMNS).
void pack_keys(const Half* from, int64_t stride, int64_t n, int64_t d, int32_t* to) {
  for (int64_t t = 0; t < n; ++t, from += stride) {
    int32_t* column = to + t / COLUMNS * (d / 2) * COLUMNS + t % COLUMNS;
    for (int64_t i = 0; i < d / 2; ++i)
      column[i * COLUMNS] = reinterpret_cast<const int32_t*>(from)[i];
  }
}

// The columns of a product with the values, pairs of tokens: (parts, pairs, COLUMNS).
void pack_values(const Half* from, int64_t stride, int64_t n, int64_t d, int32_t* to) {
  for (int64_t part = 0; part < d; part += COLUMNS)
    for (int64_t t = 0; t < n; t += 2, to += COLUMNS) {
      // The share of a last token's second half is 0.
      const Half *even = from + t * stride + part, *odd = t + 1 < n ? even + stride : even;
      for (int64_t i = 0; i < std::min(COLUMNS, d - part); ++i)
        to[i] = odd[i].x << 16 | even[i].x;
    }
}

// 2^x of x <= 0, within 1e-4 of itself: Half has 4e-3. (A cubic fitted to the relative error.)
Floats power_of_two(Floats x) {
  const __m512 whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const Floats part = x - Floats(whole);
  Floats sum(5.5171542e-2f);
  for (const float term : {2.4261111e-1f, 6.9326101e-1f, 9.9992807e-1f})
    sum = at::vec::fmadd(sum, part, Floats(term));
  return _mm512_scalef_ps(sum, whole);
}

// The largest of n scores. There is room for scores up to a multiple of COLUMNS, which become small.
float largest(float* scores, int64_t n) {
  std::fill(scores + n, scores + up(n, COLUMNS) * COLUMNS, -1e30f);
  Floats most(-1e30f), more(-1e30f);
  for (int64_t t = 0; t < n; t += 2 * LANES) {
    most = at::vec::clamp_min(Floats::loadu(scores + t), most);
    more = at::vec::clamp_min(Floats::loadu(scores + t + LANES), more);
  }
  return at::vec::clamp_min(most, more).reduce_max();
}

// exp(scale * (score - most)) of scores, as `count` Half. Returns their sum.
float softmax(const float* scores, float most, float scale, Half* to, int64_t count) {
  const Floats by(scale * std::numbers::log2e_v<float>), from = Floats(most) * by;
  Floats total(0);
  for (int64_t t = 0; t < count; t += LANES) {
    const Floats share = power_of_two(at::vec::fmsub(Floats::loadu(scores + t), by, from));
    total = total + share;
    store(to + t, share, std::min(LANES, count - t));
  }
  return total.reduce_add();
}
#endif

}  // namespace

namespace VITBENCH_NAMESPACE {

#ifdef __AVX512BF16__
// A block of rows is finished while its scores lie in the L1.
void attention_share(const Team& team, const Half* qkv, int64_t images, int64_t n, int64_t heads,
               int64_t d, int64_t queries, Half* out) {
  const int64_t pairs = up(n, 2), panels = up(n, COLUMNS), parts = up(d, COLUMNS);
  const int64_t blocks = up(queries, ROWS), width = heads * d, stride = 3 * width;
  const float scale = 1 / std::sqrt(static_cast<float>(d));
  static thread_local std::vector<int32_t> keys, values, shares;
  static thread_local std::vector<float> scores;
  keys.resize(panels * d / 2 * COLUMNS);
  values.resize(parts * pairs * COLUMNS);
  shares.resize(ROWS * pairs);
  scores.resize(ROWS * panels * COLUMNS);
  float products[ROWS * COLUMNS];
  const auto [begin, end] = team.share(images * heads * blocks);
  for (int64_t unit = begin, packed = -1; unit < end; ++unit) {
    const int64_t image = unit / blocks / heads, head = unit / blocks % heads;
    const int64_t row = unit % blocks * ROWS, rows = std::min(ROWS, queries - row);
    const Half* query = qkv + image * n * stride + head * 3 * d;
    if (packed != unit / blocks) {
      packed = unit / blocks;
      pack_keys(query + d, stride, n, d, keys.data());
      pack_values(query + 2 * d, stride, n, d, values.data());
    }
    for (int64_t p = 0; p < panels; ++p) {
      const auto multiply = n - p * COLUMNS > LANES ? multiply_some<Bfloat16>
                                                    : multiply_some<Bfloat16, 1>;
      multiply(rows, reinterpret_cast<const int32_t*>(query + row * stride), stride / 2,
               &keys[p * d / 2 * COLUMNS], d / 2, &scores[p * COLUMNS], panels * COLUMNS, {});
    }
    Floats inverse[ROWS];
    float most[ROWS];
    for (int64_t r = 0; r < rows; ++r) most[r] = largest(&scores[r * panels * COLUMNS], n);
    for (int64_t r = 0; r < rows; ++r)
      inverse[r] = Floats(1 / softmax(&scores[r * panels * COLUMNS], most[r], scale,
                                      reinterpret_cast<Half*>(&shares[r * pairs]), 2 * pairs));
    for (int64_t part = 0; part < parts; ++part) {
      multiply_some<Bfloat16>(rows, shares.data(), pairs, &values[part * pairs * COLUMNS], pairs,
                              products, COLUMNS);
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t i = part * COLUMNS; i < std::min(d, (part + 1) * COLUMNS); i += LANES)
          store(out + (image * queries + row + r) * width + head * d + i,
                Floats::loadu(&products[r * COLUMNS + i % COLUMNS]) * inverse[r],
                std::min(LANES, d - i));
    }
  }
}
#endif

}  // namespace VITBENCH_NAMESPACE

namespace {

// Self-attention of qkv (batch, n, heads * 3 * d), Half, as `linear` gives it, of the first
// `queries` tokens: (batch, queries, heads * d).
at::Tensor attention(const at::Tensor& qkv, int64_t heads, int64_t queries) {
  const int64_t batch = qkv.size(0), n = qkv.size(1), width = qkv.size(2) / 3, d = width / heads;
#ifdef __AVX512BF16__
  const at::Tensor out = empty<Half>({batch, queries, width}, qkv);
  together([&](const Team& team) {
    attention_share(team, qkv.const_data_ptr<Half>(), batch, n, heads, d, queries,
                                  out.mutable_data_ptr<Half>());
  });
  return out;
#else
  const auto parts = qkv.view({batch, n, heads, 3, d}).permute({3, 0, 2, 1, 4}).unbind();
  return at::scaled_dot_product_attention(parts[0].slice(2, 0, queries), parts[1], parts[2])
      .transpose(1, 2).reshape({batch, queries, width});
#endif
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(VITBENCH_NAMESPACE, library) {
  library.def("attention(Tensor qkv, int heads, int queries) -> Tensor");
}

TORCH_LIBRARY_IMPL(VITBENCH_NAMESPACE, CPU, library) { library.impl("attention", &attention); }
