// Vectors of LSR_LANES floats and the few functions on them, for the files built for one instruction set.
//
// Everything stands in an unnamed namespace: the linker keeps one copy of an inline function, so a shared one
// built for AVX-512 could end up being called on a processor without it.
#ifndef LSR_LANES
#error "define LSR_LANES as 8 (AVX2) or 16 (AVX-512) before including simd.h"
#endif

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace lsr {
namespace {

constexpr size_t kLanes = LSR_LANES;

#if LSR_LANES == 16
using Floats = __m512;
using Integers = __m512i;
inline Floats load(const float* from) {
    return _mm512_loadu_ps(from);
}
inline void store(float* to, Floats x) {
    _mm512_storeu_ps(to, x);
}
inline Floats broadcast(float x) {
    return _mm512_set1_ps(x);
}
inline Floats multiply_add(Floats a, Floats b, Floats c) {
    return _mm512_fmadd_ps(a, b, c);
}
inline Floats maximum(Floats a, Floats b) {
    return _mm512_max_ps(a, b);
}
inline Floats minimum(Floats a, Floats b) {
    return _mm512_min_ps(a, b);
}
inline Floats absolute(Floats x) {
    return _mm512_abs_ps(x);
}
inline Floats round_to_integer(Floats x) {
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
inline Integers to_integer(Floats x) {
    return _mm512_cvtps_epi32(x);
}
// 2^n for integral n in [-126, 127].
inline Floats power_of_two(Floats n) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(to_integer(n), _mm512_set1_epi32(127)), 23));
}
inline Floats reciprocal_estimate(Floats x) {
    return _mm512_rcp14_ps(x);
}

// Lanes below n from memory, the others `fill`; memory past lane n is not touched.
inline Floats load_first(const float* from, size_t n, float fill) {
    return _mm512_mask_loadu_ps(broadcast(fill), static_cast<__mmask16>((1u << n) - 1), from);
}
inline void store_first(float* to, size_t n, Floats x) {
    _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << n) - 1), x);
}
inline Floats load_integers(const int32_t* from) {
    return _mm512_cvtepi32_ps(_mm512_loadu_si512(from));
}
// A bit for each lane in which a is not less than b; true if one of them is no number.
inline uint32_t not_less(Floats a, Floats b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_NLT_UQ);
}
inline float sum_of(Floats x) {
    return _mm512_reduce_add_ps(x);
}
inline float maximum_of(Floats x) {
    return _mm512_reduce_max_ps(x);
}
inline Integers maximum_bits(Integers highest, Floats x) {
    return _mm512_max_epi32(highest, _mm512_castps_si512(x));
}
inline float maximum_of_bits(Integers x) {
    return __builtin_bit_cast(float, _mm512_reduce_max_epi32(x));
}
inline Integers add_integers(Integers a, Integers b) {
    return _mm512_add_epi32(a, b);
}
inline Integers add_squares(Integers sum, Integers x) {
    return _mm512_add_epi32(sum, _mm512_mullo_epi32(x, x));
}
inline int32_t sum_of_integers(Integers x) {
    return _mm512_reduce_add_epi32(x);
}
inline void store_bytes(int8_t* to, Integers x) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(x));
}
#else
using Floats = __m256;
using Integers = __m256i;
inline Floats load(const float* from) {
    return _mm256_loadu_ps(from);
}
inline void store(float* to, Floats x) {
    _mm256_storeu_ps(to, x);
}
inline Floats broadcast(float x) {
    return _mm256_set1_ps(x);
}
inline Floats multiply_add(Floats a, Floats b, Floats c) {
    return _mm256_fmadd_ps(a, b, c);
}
inline Floats maximum(Floats a, Floats b) {
    return _mm256_max_ps(a, b);
}
inline Floats minimum(Floats a, Floats b) {
    return _mm256_min_ps(a, b);
}
inline Floats absolute(Floats x) {
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
}
inline Floats round_to_integer(Floats x) {
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
inline Integers to_integer(Floats x) {
    return _mm256_cvtps_epi32(x);
}
inline Floats power_of_two(Floats n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(to_integer(n), _mm256_set1_epi32(127)), 23));
}
inline Floats reciprocal_estimate(Floats x) {
    return _mm256_rcp_ps(x);
}
inline __m256i first_lanes(size_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
inline Floats load_first(const float* from, size_t n, float fill) {
    const __m256i mask = first_lanes(n);
    return _mm256_blendv_ps(broadcast(fill), _mm256_maskload_ps(from, mask), _mm256_castsi256_ps(mask));
}
inline void store_first(float* to, size_t n, Floats x) {
    _mm256_maskstore_ps(to, first_lanes(n), x);
}
inline Floats load_integers(const int32_t* from) {
    return _mm256_cvtepi32_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}
inline uint32_t not_less(Floats a, Floats b) {
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_NLT_UQ)));
}
inline float sum_of(Floats x) {
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}
inline float maximum_of(Floats x) {
    __m128 half = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    half = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}
inline Integers maximum_bits(Integers highest, Floats x) {
    return _mm256_max_epi32(highest, _mm256_castps_si256(x));
}
inline Integers add_integers(Integers a, Integers b) {
    return _mm256_add_epi32(a, b);
}
inline Integers add_squares(Integers sum, Integers x) {
    return _mm256_add_epi32(sum, _mm256_mullo_epi32(x, x));
}
inline float maximum_of_bits(Integers x) {
    alignas(32) int32_t lanes[kLanes];
    _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), x);
    int32_t highest = lanes[0];
    for (int32_t lane : lanes) highest = lane > highest ? lane : highest;
    return __builtin_bit_cast(float, highest);
}
inline int32_t sum_of_integers(Integers x) {
    alignas(32) int32_t lanes[kLanes];
    _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), x);
    int32_t sum = 0;
    for (int32_t lane : lanes) sum += lane;
    return sum;
}
inline void store_bytes(int8_t* to, Integers x) {
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packs_epi16(words, words));
}
#endif

// 1 / x to 2 units in the last place, by Newton's step from 14 (12) bits; a division would take the multipliers
// ten cycles.
inline Floats reciprocal(Floats x) {
    Floats y = reciprocal_estimate(x);
    y = multiply_add(y, multiply_add(broadcast(0.0f) - x, y, broadcast(1.0f)), y);
    return kLanes == 16 ? y : multiply_add(y, multiply_add(broadcast(0.0f) - x, y, broadcast(1.0f)), y);
}

// e^x to 2 units in the last place, for x <= 88; below -87 the result is e^-87 (1.6e-38), never a denormal.
inline Floats exponential(Floats x) {
    x = maximum(x, broadcast(-87.0f));
    const Floats n = round_to_integer(x * broadcast(1.44269504f));
    Floats rest = multiply_add(n, broadcast(-0.693359375f), x);  // ln 2 in two parts (Cody and Waite)
    rest = multiply_add(n, broadcast(2.12194440e-4f), rest);
    Floats series = broadcast(1.9875691500e-4f);  // Cephes expf
    series = multiply_add(series, rest, broadcast(1.3981999507e-3f));
    series = multiply_add(series, rest, broadcast(8.3334519073e-3f));
    series = multiply_add(series, rest, broadcast(4.1665795894e-2f));
    series = multiply_add(series, rest, broadcast(1.6666665459e-1f));
    series = multiply_add(series, rest, broadcast(5.0000001201e-1f));
    series = multiply_add(series, rest * rest, rest + broadcast(1.0f));
    return series * power_of_two(n);
}

// x * (1 + erf(x / sqrt 2)) / 2 with erf by Abramowitz and Stegun 7.1.26, absolute error 1.5e-7 * |x|.
// 1 - erf(|x|) is computed directly, so nothing cancels for negative x.
inline Floats gelu(Floats x) {
    const Floats size = absolute(x);
    const Floats z = size * broadcast(0.70710678f);
    const Floats t = reciprocal(multiply_add(z, broadcast(0.3275911f), broadcast(1.0f)));
    Floats series = broadcast(1.061405429f);
    series = multiply_add(series, t, broadcast(-1.453152027f));
    series = multiply_add(series, t, broadcast(1.421413741f));
    series = multiply_add(series, t, broadcast(-0.284496736f));
    series = multiply_add(series, t, broadcast(0.254829592f));
    const Floats tail = size * broadcast(0.5f) * series * t * exponential(broadcast(0.0f) - z * z);
    return maximum(x, broadcast(0.0f)) - tail;
}

}  // namespace
}  // namespace lsr
