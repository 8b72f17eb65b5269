// Self-attention in bfloat16, where the CPU multiplies that; else by torch, in float32.
#include <ATen/ops/scaled_dot_product_attention.h>
#include <torch/library.h>

#include "tiles.h"

namespace {

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

// exp(scale * (score - largest)) of n scores, as `count` Half of which the last are 0. Returns
// their sum. There is room for scores up to a multiple of COLUMNS.
float softmax(float* scores, int64_t n, float scale, Half* to, int64_t count) {
  std::fill(scores + n, scores + (n + COLUMNS - 1) / COLUMNS * COLUMNS, -1e30f);
  Floats most(-1e30f), total(0);
  for (int64_t t = 0; t < n; t += LANES) most = at::vec::clamp_min(Floats::loadu(scores + t), most);
  most = Floats(most.reduce_max());
  for (int64_t t = 0; t < count; t += LANES) {
    const Floats share = ((Floats::loadu(scores + t) - most) * Floats(scale)).fexp_u20();
    total = total + share;
    store(to + t, share, std::min(LANES, count - t));
  }
  return total.reduce_add();
}
#endif

// Self-attention of qkv (batch, n, 3 * heads * d), Half, as `linear` gives it, of the first
// `queries` tokens: (batch, queries, heads * d). A block of rows is finished while its scores lie
// in the L1.
at::Tensor attention(const at::Tensor& qkv, int64_t heads, int64_t queries) {
  const int64_t batch = qkv.size(0), n = qkv.size(1), width = qkv.size(2) / 3, d = width / heads;
#ifdef __AVX512BF16__
  const int64_t pairs = up(n, 2), panels = up(n, COLUMNS), parts = up(d, COLUMNS);
  const int64_t blocks = up(queries, ROWS), stride = 3 * width;
  const float scale = 1 / std::sqrt(static_cast<float>(d));
  const at::Tensor out = empty<Half>({batch, queries, width}, qkv);
  const Half* from = qkv.const_data_ptr<Half>();
  Half* to = out.mutable_data_ptr<Half>();
  at::parallel_for(0, batch * heads * blocks, 1, [=](int64_t begin, int64_t end) {
    std::vector<int32_t> keys(panels * d / 2 * COLUMNS), values(parts * pairs * COLUMNS);
    std::vector<float> scores(ROWS * panels * COLUMNS), products(ROWS * COLUMNS);
    std::vector<int32_t> shares(ROWS * pairs);
    for (int64_t unit = begin, packed = -1; unit < end; ++unit) {
      const int64_t image = unit / blocks / heads, head = unit / blocks % heads;
      const int64_t row = unit % blocks * ROWS, rows = std::min(ROWS, queries - row);
      const Half* query = from + image * n * stride + head * d;
      if (packed != unit / blocks) {
        packed = unit / blocks;
        pack_keys(query + width, stride, n, d, keys.data());
        pack_values(query + 2 * width, stride, n, d, values.data());
      }
      for (int64_t p = 0; p < panels; ++p)
        multiply_some<Bfloat16>(rows, reinterpret_cast<const int32_t*>(query + row * stride),
                                stride / 2, &keys[p * d / 2 * COLUMNS], d / 2,
                                &scores[p * COLUMNS], panels * COLUMNS);
      Floats inverse[ROWS];
      for (int64_t r = 0; r < rows; ++r)
        inverse[r] = Floats(1 / softmax(&scores[r * panels * COLUMNS], n, scale,
                                        reinterpret_cast<Half*>(&shares[r * pairs]), 2 * pairs));
      for (int64_t part = 0; part < parts; ++part) {
        multiply_some<Bfloat16>(rows, shares.data(), pairs, &values[part * pairs * COLUMNS], pairs,
                                products.data(), COLUMNS);
        for (int64_t r = 0; r < rows; ++r)
          for (int64_t i = part * COLUMNS; i < std::min(d, (part + 1) * COLUMNS); i += LANES)
            store(to + (image * queries + row + r) * width + head * d + i,
                  Floats::loadu(&products[r * COLUMNS + i % COLUMNS]) * inverse[r],
                  std::min(LANES, d - i));
      }
    }
  });
  return out;
#else
  const auto parts = qkv.view({batch, n, 3, heads, d}).permute({2, 0, 3, 1, 4}).unbind();
  return at::scaled_dot_product_attention(parts[0].slice(2, 0, queries), parts[1], parts[2])
      .transpose(1, 2).reshape({batch, queries, width});
#endif
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(VITBENCH_NAMESPACE, library) {
  library.def("attention(Tensor qkv, int heads, int queries) -> Tensor");
}

TORCH_LIBRARY_IMPL(VITBENCH_NAMESPACE, CPU, library) { library.impl("attention", &attention); }
