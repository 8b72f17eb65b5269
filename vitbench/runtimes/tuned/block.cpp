// A whole block of a ViT in one parallel region.
#include <torch/library.h>

#include "tiles.h"

#ifdef __AVX512BF16__  // elsewhere attention is torch's

namespace {

using namespace VITBENCH_NAMESPACE;

// Where a thread reads all weights for rows of its own, what it wrote lies in its own cache in the
// next layer, and it waits for no other thread. Pays where it has rows enough for each panel, and
// the weights are small: DeiT-Tiny's at batch 1, 1.07x; DeiT-base's, 0.94x.
constexpr int64_t ROWS_ALONE = 48, BYTES_ALONE = 1 << 19;

// The layers of a block, and where they put what they hand over.
struct Block {
  const Linear &qkv, &proj, &fc1, &fc2;
  int64_t n, tokens, heads;
  Rows rows;
  Half *joined, *attended, *hidden;
  float* middle;

  // Images x (images, n, D) to y (images, tokens, D); `kept` are the asked tokens of x.
  void operator()(const Team& team, int64_t images, const float* x, const float* kept,
                  float* y) const {
    layer(team, qkv, x, images * n, nullptr, joined);
    team.wait();
    attention_share(team, joined, images, n, heads, proj.k / heads, tokens, attended);
    team.wait();
    layer(team, proj, attended, images * tokens, kept, middle);
    layer(team, fc1, middle, images * tokens, nullptr, hidden);
    layer(team, fc2, hidden, images * tokens, middle, y);
  }

  template <class From, class To>
  void layer(const Team& team, const Linear& of, const From* x, int64_t m, const float* residual,
             To* y) const {
    if (m < ROWS_ALONE * team.size || 4 * of.values * of.n > BYTES_ALONE) {
      linear_share(team, of, x, 0, m, rows, residual, y);
      return team.wait();
    }
    const auto [begin, end] = team.share(m);
    linear_share(Team{}, of, x, begin, end, rows, residual, y);
  }
};

// A block of our layers, x (images, n, D) float32 to (images, tokens, D), the first ones.
// `weights` and `columns` are those of qkv, proj, fc1 and fc2, as layers.py packs them.
at::Tensor block(const at::Tensor& images, int64_t tokens, int64_t heads, int64_t width,
                 at::TensorList weights, at::TensorList columns, const at::Tensor& norm1,
                 const at::Tensor& norm2, double eps1, double eps2) {
  const at::Tensor x = images.contiguous();
  TORCH_CHECK(x.dim() == 3 && x.scalar_type() == at::kFloat && x.size(2) == norm1.size(1),
              "block: float32 (images, tokens, ", norm1.size(1), ") is wanted");
  const int64_t batch = x.size(0), n = x.size(1), d = x.size(2);
  const Linear qkv(weights[0], columns[0], 3 * d, d, &norm1, eps1, false);
  const Linear proj(weights[1], columns[1], d, d, nullptr, 0, false);
  const Linear fc1(weights[2], columns[2], width, d, &norm2, eps2, true);
  const Linear fc2(weights[3], columns[3], d, width, nullptr, 0, false);
  const at::Tensor first = tokens == n ? x : x.slice(1, 0, tokens).contiguous();
  const at::Tensor out = empty<float>({batch, tokens, d}, x);
  // Whole images for each thread, where that keeps the threads as busy; else all for all.
  const int64_t threads = at::in_parallel_region() ? 1 : at::get_num_threads();
  const bool apart = up(batch, threads) * threads * 10 <= batch * 11;
  const int64_t m = n * (apart ? threads : batch);
  const int64_t most = std::max({qkv.values, proj.values, fc1.values, fc2.values});
  const at::Tensor values = empty<int32_t>({m, most}, x), scales = empty<float>({2, m}, x);
  const at::Tensor joined = empty<Half>({m, 3 * d}, x), attended = empty<Half>({m, d}, x);
  const at::Tensor hidden = empty<Half>({m, width}, x), middle = empty<float>({m, d}, x);
  const auto run = [&](const Team& team, int64_t place, int64_t image, int64_t count) {
    const int64_t row = place * n;
    const Block block{qkv, proj, fc1, fc2, n, tokens, heads,
                      Rows{values.data_ptr<int32_t>() + row * most, most,
                           scales.data_ptr<float>() + row, scales.data_ptr<float>() + m + row},
                      joined.data_ptr<Half>() + row * 3 * d, attended.data_ptr<Half>() + row * d,
                      hidden.data_ptr<Half>() + row * width, middle.data_ptr<float>() + row * d};
    block(team, count, x.const_data_ptr<float>() + image * n * d,
          first.const_data_ptr<float>() + image * tokens * d,
          out.data_ptr<float>() + image * tokens * d);
  };
  together([&](const Team& team) {
    if (!apart) return run(team, 0, 0, batch);
    const auto [begin, end] = team.share(batch);
    for (int64_t image = begin; image < end; ++image) run(Team{}, team.rank, image, 1);
  });
  return out;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(VITBENCH_NAMESPACE, library) {
  library.def("block(Tensor x, int tokens, int heads, int width, Tensor[] weights, "
              "Tensor[] columns, Tensor norm1, Tensor norm2, float eps1, float eps2) -> Tensor");
}

TORCH_LIBRARY_IMPL(VITBENCH_NAMESPACE, CPU, library) { library.impl("block", &block); }
#endif
