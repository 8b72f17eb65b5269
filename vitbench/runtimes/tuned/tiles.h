// Products of tiles that stay in registers, in the instructions that the compiler is told of; and
// what the layers share.
//
// A tile is ROWS rows of activations times a panel of COLUMNS packed columns, where four bytes lie
// together that make one value of int32 or float32: four int8 or two bfloat16.
#pragma once

#include <ATen/cpu/vec/functional.h>
#include <ATen/cpu/vec/vec.h>
#include <ATen/ops/empty.h>
#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "layers.h"

namespace {

using VITBENCH_NAMESPACE::Half;
using Floats = at::vec::Vectorized<float>;
constexpr int64_t LANES = Floats::size();

#ifdef __AVX512VNNI__
constexpr int64_t ROWS = 6, VECTORS = 4;
constexpr float LEVELS = 255;  // of activations; weights have 127 on either side of 0

struct Int8 {
  using Sum = __m512i;
  static constexpr bool BYTES = true;
  static constexpr int64_t TURN = 1;  // 4-byte values of a row in one turn of the inner loop
  // GCC 12 copies each sum in each turn, and halves the speed, unless it is told not to.
  template <int64_t V>
  static void add(Sum* sum, const int32_t* a, const __m512i* w) {
    const __m512i row = _mm512_set1_epi32(*a);
#pragma GCC unroll 4
    for (int64_t v = 0; v < V; ++v)
      asm("vpdpbusd %2, %1, %0" : "+v"(sum[v]) : "v"(row), "v"(w[v]));
  }
  static Sum load(const int32_t* from) { return _mm512_loadu_si512(from); }
  static Floats floats(Sum sum) { return _mm512_cvtepi32_ps(sum); }
};
#else
constexpr int64_t ROWS = 4, VECTORS = 2;
constexpr float LEVELS = 127;

// AVX2 multiplies bytes in two steps: vpmaddubsw adds pairs of products in 16 bits, vpmaddwd adds
// pairs of those in 32. With eight bits a pair can saturate already; with 127 * 63 at most, the sum
// of two pairs still fits (4 * 127 * 63 = 32004 < 2^15), so one vpmaddwd serves two vpmaddubsw:
// five instructions for 64 products instead of six.
struct Int8 {
  using Sum = __m256i;
  static constexpr bool BYTES = true;
  static constexpr int64_t TURN = 2;
  template <int64_t V>
  static void add(Sum* sum, const int32_t* a, const __m256i* w) {
    const __m256i ones = _mm256_set1_epi16(1);
    const __m256i low = _mm256_set1_epi32(a[0]), high = _mm256_set1_epi32(a[1]);
#pragma GCC unroll 2
    for (int64_t v = 0; v < V; ++v) {
      const __m256i pairs = _mm256_add_epi16(_mm256_maddubs_epi16(low, w[v]),
                                             _mm256_maddubs_epi16(high, w[V + v]));
      sum[v] = _mm256_add_epi32(sum[v], _mm256_madd_epi16(pairs, ones));
    }
  }
  static Sum load(const int32_t* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  }
  static Floats floats(Sum sum) { return _mm256_cvtepi32_ps(sum); }
};
#endif
constexpr int64_t COLUMNS = VECTORS * LANES;
constexpr int64_t LINE = 16;  // 4-byte values in a cache line

// How many steps it takes to come to `count`.
constexpr int64_t up(int64_t count, int64_t step) { return (count + step - 1) / step; }

// What a product fetches meanwhile: `lines` cache lines of the memory with each 8 values of k. (A
// core waits for few lines at a time: all at once they would hold up the product's own.)
struct Ahead {
  const int32_t* from = nullptr;
  int64_t lines = 0;
};

// Products of R rows, `stride` apart, with the first V vectors of a panel (k, COLUMNS); k and
// `stride` in 4-byte values. They go to rows of `out` that are `width` apart. A function of its
// own, so that all registers are its own.
template <class Kind, int64_t V, int64_t R>
[[gnu::noinline]] void multiply(const int32_t* a, int64_t stride, const int32_t* panel, int64_t k,
                                float* out, int64_t width, Ahead ahead) {
  typename Kind::Sum sum[R][V] = {};
  for (int64_t i = 0; i < k; i += Kind::TURN, panel += Kind::TURN * COLUMNS) {
    if (i % 8 == 0)
      for (int64_t line = 0; line < ahead.lines; ++line, ahead.from += LINE)
        __builtin_prefetch(ahead.from, 0, 2);
    typename Kind::Sum w[Kind::TURN * V];
#pragma GCC unroll 4
    for (int64_t v = 0; v < Kind::TURN * V; ++v)
      w[v] = Kind::load(panel + v / V * COLUMNS + v % V * LANES);
#pragma GCC unroll 8
    for (int64_t r = 0; r < R; ++r) Kind::template add<V>(sum[r], a + r * stride + i, w);
  }
#pragma GCC unroll 8
  for (int64_t r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int64_t v = 0; v < V; ++v)
      Kind::floats(sum[r][v]).store(out + r * width + v * LANES);
}

// The same of 1 to ROWS rows.
template <class Kind, int64_t V = VECTORS, int64_t R = ROWS>
void multiply_some(int64_t rows, const int32_t* a, int64_t stride, const int32_t* panel, int64_t k,
                   float* out, int64_t width, Ahead ahead = {}) {
  if constexpr (R > 1)
    if (rows < R)
      return multiply_some<Kind, V, R - 1>(rows, a, stride, panel, k, out, width, ahead);
  multiply<Kind, V, R>(a, stride, panel, k, out, width, ahead);
}

#ifdef __AVX512BF16__
struct Bfloat16 {
  using Sum = __m512;
  static constexpr bool BYTES = false;
  static constexpr int64_t TURN = 1;
  template <int64_t V>
  static void add(Sum* sum, const int32_t* a, const __m512* w) {
    const __m512 row = _mm512_castsi512_ps(_mm512_set1_epi32(*a));
#pragma GCC unroll 4
    for (int64_t v = 0; v < V; ++v)
      asm("vdpbf16ps %2, %1, %0" : "+v"(sum[v]) : "v"(row), "v"(w[v]));
  }
  static Sum load(const int32_t* from) { return _mm512_loadu_ps(from); }
  static Floats floats(Sum sum) { return sum; }
};

void store(Half* to, Floats x, int64_t count) {
  _mm256_mask_storeu_epi16(to, (1u << count) - 1, (__m256i)_mm512_cvtneps_pbh(x));
}
Floats load(const Half* from, int64_t count) {
  const __m256i halves = _mm256_maskz_loadu_epi16((1u << count) - 1, from);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}
#endif
// The first values of a vector; those that are not loaded are 0.
Floats load(const float* from, int64_t count) { return Floats::loadu(from, count); }
void store(float* to, Floats x, int64_t count) { x.store(to, static_cast<int>(count)); }

// A new tensor, in the memory of an earlier one that nobody holds any more. glibc would give blocks
// of this size back to the kernel: 9000 page faults in a call of DeiT-base.
template <class Value>
at::Tensor empty(at::IntArrayRef shape, const at::Tensor& like) {
  static thread_local std::vector<at::Tensor> pool;
  const int64_t wanted = c10::multiply_integers(shape) * sizeof(Value);
  const auto view = [&](const at::Tensor& block) {
    return block.narrow(0, 0, wanted).view(c10::CppTypeToScalarType<Value>::value).view(shape);
  };
  for (const at::Tensor& block : pool)
    if (block.storage().use_count() == 1 && wanted <= block.numel() && block.numel() <= 2 * wanted)
      return view(block);
  pool.push_back(at::empty({wanted}, like.options().dtype(at::kByte)));
  return view(pool.back());
}

}  // namespace
