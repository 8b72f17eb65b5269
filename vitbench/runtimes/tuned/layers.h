// What the operators of this library share: each function computes the share that one thread of a
// team has of a layer, and all of the team call it.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <omp.h>

#include <algorithm>
#include <utility>

namespace VITBENCH_NAMESPACE {

#ifdef __AVX512BF16__
using Half = at::BFloat16;  // what one of our layers hands to the next
#else
using Half = float;
#endif

// A thread, the `rank`th of `size` that compute something together.
struct Team {
  int64_t rank = 0, size = 1;

  // Which of `count` pieces of work are this thread's: from the first on to before the second.
  std::pair<int64_t, int64_t> share(int64_t count) const {
    return {count * rank / size, count * (rank + 1) / size};
  }
  // Until all of the team are here.
  void wait() const {
    if (size > 1) {
#pragma omp barrier
    }
  }
};

// Calls f(team) in each of torch's threads; inside of another parallel region in this one alone.
template <class F>
void together(const F& f) {
#pragma omp parallel num_threads(at::get_num_threads())
  f(Team{omp_get_thread_num(), omp_get_num_threads()});
}

// A linear layer, k to n, with the LayerNorm before it, (2, k) or null, and the GELU after it.
struct Linear {
  // As `pack` in layers.py makes `weight` and `columns`.
  Linear(const at::Tensor& weight, const at::Tensor& columns, int64_t n, int64_t k,
         const at::Tensor* norm, double eps, bool with_gelu);

  const int32_t* panels;
  int64_t values;  // 4-byte values in a row of the weight
  bool bytes;      // int8, else bfloat16
  const float *scale, *sum, *bias, *norm;
  float eps;
  bool with_gelu;
  int64_t n, k;
};

// Rows on their way into a product: 4-byte values, `stride` of them from one row to the next, the
// scale of a row, and which value is its zero.
struct Rows {
  int32_t* values;
  int64_t stride;
  float *scale, *zero;
};

// Rows `begin` to `end` of y (m, n) = layer(x (m, k)) + residual (m, n) or null. `From` and `To`:
// float or Half. Of `rows` those of the same numbers are written. No thread waits at the end.
template <class From, class To>
void linear_share(const Team& team, const Linear& layer, const From* x, int64_t begin, int64_t end,
            const Rows& rows, const float* residual, To* y);

// Self-attention of qkv (images, n, heads, 3, d) of the first `queries` tokens: (images, queries,
// heads, d).
void attention_share(const Team& team, const Half* qkv, int64_t images, int64_t n, int64_t heads,
               int64_t d, int64_t queries, Half* out);

}  // namespace VITBENCH_NAMESPACE
