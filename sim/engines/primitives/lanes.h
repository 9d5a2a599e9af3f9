// Vectors of a word of each lane, and the operations on them; an M has a bit for each lane.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
#include <immintrin.h>
#define MASKS 1
#endif

enum { LANES = 16 };
#define EXPORT __attribute__((visibility("default")))
typedef uint16_t M;
typedef uint16_t V16 __attribute__((vector_size(32)));
typedef int16_t S16 __attribute__((vector_size(32)));
typedef uint32_t V32 __attribute__((vector_size(64)));
typedef int32_t S32 __attribute__((vector_size(64)));
typedef uint32_t H32 __attribute__((vector_size(32)));
typedef uint64_t H64 __attribute__((vector_size(64)));
typedef int64_t T64 __attribute__((vector_size(64)));
typedef uint8_t M8;

struct V64 { H64 lo, hi; };
#define IN static inline __attribute__((always_inline))
#define RARE static __attribute__((noinline, cold))
#define OP(o) IN V64 operator o(V64 a, V64 b) { return {a.lo o b.lo, a.hi o b.hi}; }
OP(+) OP(-) OP(*) OP(&) OP(|) OP(^)
IN V64 operator~(V64 a) { return {~a.lo, ~a.hi}; }

// The same in all lanes.
template <class V> IN V all(uint64_t x);
template <> V16 all<V16>(uint64_t x) { return V16{} + (uint16_t)x; }
template <> V32 all<V32>(uint64_t x) { return V32{} + (uint32_t)x; }
template <> V64 all<V64>(uint64_t x) { return {H64{} + x, H64{} + x}; }
template <> M all<M>(uint64_t x) { return x ? 0xffff : 0; }

template <class V, class A> IN V to(A a);
template <> V32 to<V32, V16>(V16 a) { return __builtin_convertvector(a, V32); }
template <> V16 to<V16, V32>(V32 a) { return __builtin_convertvector(a, V16); }
// Halves of a vector, in a way that all compilers have.
IN H32 low(V32 a) {
  H32 half;
  __builtin_memcpy(&half, &a, sizeof half);
  return half;
}
IN H32 high(V32 a) {
  H32 half;
  __builtin_memcpy(&half, (const char*)&a + sizeof half, sizeof half);
  return half;
}
IN V32 whole(H32 low, H32 high) {
  V32 both;
  __builtin_memcpy(&both, &low, sizeof low);
  __builtin_memcpy((char*)&both + sizeof low, &high, sizeof high);
  return both;
}
template <> V64 to<V64, V32>(V32 a) {
  return {__builtin_convertvector(low(a), H64), __builtin_convertvector(high(a), H64)};
}
template <> V32 to<V32, V64>(V64 a) {
  return whole(__builtin_convertvector(a.lo, H32), __builtin_convertvector(a.hi, H32));
}
template <> V64 to<V64, V16>(V16 a) { return to<V64>(to<V32>(a)); }
template <> V16 to<V16, V64>(V64 a) { return to<V16>(to<V32>(a)); }

IN V16 shl(V16 a, int n) { return a << n; }
IN V32 shl(V32 a, int n) { return a << n; }
IN V64 shl(V64 a, int n) { return {a.lo << n, a.hi << n}; }
IN V16 shr(V16 a, int n) { return a >> n; }
IN V32 shr(V32 a, int n) { return a >> n; }
IN V64 shr(V64 a, int n) { return {a.lo >> n, a.hi >> n}; }
IN V16 sar(V16 a, int n) { return (V16)((S16)a >> n); }
IN V32 sar(V32 a, int n) { return (V32)((S32)a >> n); }
IN V64 sar(V64 a, int n) { return {(H64)((T64)a.lo >> n), (H64)((T64)a.hi >> n)}; }

#if MASKS
IN V16 sel(M m, V16 a, V16 b) { return (V16)_mm256_mask_mov_epi16((__m256i)b, m, (__m256i)a); }
IN V32 sel(M m, V32 a, V32 b) { return (V32)_mm512_mask_mov_epi32((__m512i)b, m, (__m512i)a); }
IN H64 sel(M8 m, H64 a, H64 b) { return (H64)_mm512_mask_mov_epi64((__m512i)b, m, (__m512i)a); }
#define CMP(name, op, sop) \
  IN M name(V16 a, V16 b) { return _mm256_cmp_ep##sop##16_mask((__m256i)a, (__m256i)b, op); } \
  IN M name(V32 a, V32 b) { return _mm512_cmp_ep##sop##32_mask((__m512i)a, (__m512i)b, op); } \
  IN M name(V64 a, V64 b) { \
    return _mm512_cmp_ep##sop##64_mask((__m512i)a.lo, (__m512i)b.lo, op) | \
      _mm512_cmp_ep##sop##64_mask((__m512i)a.hi, (__m512i)b.hi, op) << 8; }
CMP(eq, _MM_CMPINT_EQ, u) CMP(ult, _MM_CMPINT_LT, u) CMP(ule, _MM_CMPINT_LE, u)
CMP(slt, _MM_CMPINT_LT, i) CMP(sle, _MM_CMPINT_LE, i)
#else
IN V16 spread16(M m) {
  const V16 w = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768};
  return (V16)(((V16{} + m) & w) != 0);
}
IN V16 sel(M m, V16 a, V16 b) { const V16 k = spread16(m); return (a & k) | (b & ~k); }
IN V32 sel(M m, V32 a, V32 b) {
  const V32 k = (V32)__builtin_convertvector((S16)spread16(m), S32);
  return (a & k) | (b & ~k);
}
IN H64 sel(M8 m, H64 a, H64 b) {
  const H64 w = {1, 2, 4, 8, 16, 32, 64, 128};
  const H64 k = (H64)(((H64{} + m) & w) != 0);
  return (a & k) | (b & ~k);
}
template <class V> IN M pressed(V x, int n) {
  M m = 0;
  for (int l = 0; l < n; l++) m |= (x[l] & 1) << l;
  return m;
}
#define CMP(name, o, S, T) \
  IN M name(V16 a, V16 b) { return pressed((S##16)a o (S##16)b, 16); } \
  IN M name(V32 a, V32 b) { return pressed((S##32)a o (S##32)b, 16); } \
  IN M name(V64 a, V64 b) { \
    return pressed((T##64)a.lo o (T##64)b.lo, 8) | pressed((T##64)a.hi o (T##64)b.hi, 8) << 8; }
CMP(eq, ==, V, H) CMP(ult, <, V, H) CMP(ule, <=, V, H) CMP(slt, <, S, T) CMP(sle, <=, S, T)
#endif
IN V64 sel(M m, V64 a, V64 b) { return {sel((M8)m, a.lo, b.lo), sel((M8)(m >> 8), a.hi, b.hi)}; }
IN M sel(M m, M a, M b) { return (m & a) | (~m & b); }
template <class V> IN M test(V a, uint64_t c) { return ~eq(a & all<V>(c), all<V>(0)); }
template <class V> IN V bit(M m, uint64_t c) { return sel(m, all<V>(c), all<V>(0)); }
template <class V> IN V spread(M m) { return sel(m, all<V>(~0ull), all<V>(0)); }

IN V16 shl_v(V16 a, V16 n) { return a << n; }
IN V32 shl_v(V32 a, V32 n) { return a << n; }
IN V64 shl_v(V64 a, V64 n) { return {a.lo << n.lo, a.hi << n.hi}; }
IN V16 shr_v(V16 a, V16 n) { return a >> n; }
IN V32 shr_v(V32 a, V32 n) { return a >> n; }
IN V64 shr_v(V64 a, V64 n) { return {a.lo >> n.lo, a.hi >> n.hi}; }
IN V16 sar_v(V16 a, V16 n) { return (V16)((S16)a >> (S16)n); }
IN V32 sar_v(V32 a, V32 n) { return (V32)((S32)a >> (S32)n); }
IN V64 sar_v(V64 a, V64 n) { return {(H64)((T64)a.lo >> (T64)n.lo), (H64)((T64)a.hi >> (T64)n.hi)}; }
// Amounts in the type of the word; one that is too large for it becomes the largest.
template <class V, class A> IN V narrow(A n) {
  return to<V>(sel(ult(n, all<A>(255)), n, all<A>(255)));
}
template <class V> IN V shl_by(V a, V n, int w) {
  return sel(ult(n, all<V>(w)), shl_v(a, n & all<V>(sizeof(V) / 2 - 1)), all<V>(0));
}
template <class V> IN V shr_by(V a, V n, int w) {
  return sel(ult(n, all<V>(w)), shr_v(a, n & all<V>(sizeof(V) / 2 - 1)), all<V>(0));
}
template <class V> IN V sar_by(V a, V n, int w) {
  return sar_v(a, sel(ult(n, all<V>(w)), n, all<V>(w - 1)));
}

IN uint64_t at(V16 a, int l) { return a[l]; }
IN uint64_t at(V32 a, int l) { return a[l]; }
IN uint64_t at(const V64& a, int l) { return l < 8 ? a.lo[l] : a.hi[l - 8]; }
typedef uint16_t E16 __attribute__((may_alias));
typedef uint32_t E32 __attribute__((may_alias));
typedef uint64_t E64 __attribute__((may_alias));

// Memories have a row of all lanes for each word. Lanes mostly go on in step, so that those that
// run read the same row; `which` has them, the first of them and the mask.
struct Which { int first; M active; };
template <class A> IN bool as_one(A a, Which which, uint64_t& place) {
  place = at(a, which.first);
  return M(eq(a, all<A>(place)) | ~which.active) == 0xffff;
}
#define MEMORY(V, E) \
  template <class A> RARE V gather(const V* m, A a) { \
    V r = all<V>(0); \
    E* e = (E*)&r; \
    const E* rows = (const E*)m; \
    for (int l = 0; l < LANES; l++) e[l] = rows[at(a, l) * LANES + l]; \
    return r; } \
  template <class A> RARE void scatter(V* m, A a, M on, V w) { \
    const E* e = (const E*)&w; \
    E* rows = (E*)m; \
    for (int l = 0; l < LANES; l++) if (on >> l & 1) rows[at(a, l) * LANES + l] = e[l]; } \
  template <class A> IN V fetch(const V* m, A a, Which which) { \
    uint64_t place; \
    return as_one(a, which, place) ? m[place] : gather(m, a); } \
  template <class A> IN V look_up(const V*, const E* table, A a, Which which) { \
    uint64_t place; \
    if (as_one(a, which, place)) return all<V>(table[place]); \
    V r = all<V>(0); \
    E* e = (E*)&r; \
    for (int l = 0; l < LANES; l++) e[l] = table[at(a, l)]; \
    return r; } \
  template <class A> IN void keep(V* m, A a, M on, V w) { \
    uint64_t place; \
    if (!on) return; \
    if (!as_one(a, {__builtin_ctz(on), on}, place)) scatter(m, a, on, w); \
    else m[place] = on == 0xffff ? w : sel(on, w, m[place]); } \
  static void begin(V* m, uint64_t rows, const uint64_t* init, uint64_t n, M lane) { \
    for (uint64_t k = 0; k < rows; k++) m[k] = sel(lane, all<V>(init && k < n ? init[k] : 0), m[k]); }
MEMORY(V16, E16) MEMORY(V32, E32) MEMORY(V64, E64)
template <class A> RARE M gather(const M* m, A a) {
  M r = 0;
  for (int l = 0; l < LANES; l++) r |= m[at(a, l)] & (1 << l);
  return r;
}
template <class A> IN M fetch(const M* m, A a, Which which) {
  uint64_t place;
  return as_one(a, which, place) ? m[place] : gather(m, a);
}
template <class A> IN M look_up(const M*, const uint16_t* table, A a, Which which) {
  uint64_t place;
  if (as_one(a, which, place)) return table[place] ? 0xffff : 0;
  M r = 0;
  for (int l = 0; l < LANES; l++) r |= table[at(a, l)] << l;
  return r;
}
template <class A> IN void keep(M* m, A a, M on, M w) {
  uint64_t place;
  if (!on) return;
  if (as_one(a, {__builtin_ctz(on), on}, place)) m[place] = sel(on, w, m[place]);
  else for (uint32_t rest = on; rest; rest &= rest - 1) {
    const int l = __builtin_ctz(rest);
    m[at(a, l)] = (m[at(a, l)] & ~(1 << l)) | (w & (1 << l));
  }
}
static void begin(M* m, uint64_t rows, const uint64_t* init, uint64_t n, M lane) {
  for (uint64_t k = 0; k < rows; k++) m[k] = (m[k] & ~lane) | (init && k < n && init[k] ? lane : 0);
}

// One lane of a word.
IN void put(V16& v, int l, uint64_t x) { ((E16*)&v)[l] = x; }
IN void put(V32& v, int l, uint64_t x) { ((E32*)&v)[l] = x; }
IN void put(V64& v, int l, uint64_t x) { ((E64*)&v)[l] = x; }
IN void put(M& v, int l, uint64_t x) { v = (v & ~(1 << l)) | (x & 1) << l; }
IN uint64_t take(const V16& v, int l) { return ((const E16*)&v)[l]; }
IN uint64_t take(const V32& v, int l) { return ((const E32*)&v)[l]; }
IN uint64_t take(const V64& v, int l) { return ((const E64*)&v)[l]; }
IN uint64_t take(M v, int l) { return v >> l & 1; }

// Registers by their place in the state. The loops would be as many statements as there are
// registers, for which compilers take longer than for all clocks.
struct Register { size_t at, size; uint64_t init; };
#define BY_TYPE(r, DO) \
  switch ((r).size) { \
    case sizeof(M): DO(M); break; \
    case sizeof(V16): DO(V16); break; \
    case sizeof(V32): DO(V32); break; \
    default: DO(V64); \
  }
static void reset_word(void* word, const Register& r, M lanes) {
#define RESET(V) *(V*)word = sel(lanes, all<V>(r.init), *(V*)word)
  BY_TYPE(r, RESET)
}
static void hold_word(void* word, const void* old, const Register& r, M lanes) {
#define HOLD(V) *(V*)word = sel(lanes, *(const V*)old, *(V*)word)
  BY_TYPE(r, HOLD)
}
