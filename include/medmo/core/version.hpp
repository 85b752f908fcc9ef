// The version and the ABI tag. Settings that change the layout or the arithmetic of a type are spelled into the inline
// namespace, so that two translation units built with different settings do not link into one wrong program.
#pragma once

#define MEDMO_VERSION_MAJOR 0
#define MEDMO_VERSION_MINOR 1
#define MEDMO_VERSION_PATCH 0

#if defined(__FAST_MATH__)
#error "medmo: -ffast-math breaks the defined order of summation and the handling of NaN; build without it"
#endif

#if defined(__cpp_exceptions)
#define MEDMO_EXCEPTIONS 1
#define MEDMO_DETAIL_ABI_EXCEPTIONS
#else
#define MEDMO_EXCEPTIONS 0
#define MEDMO_DETAIL_ABI_EXCEPTIONS _noexcept
#endif

#if defined(__AMX_BF16__)
#define MEDMO_DETAIL_ABI_ARCH amx
#elif defined(__AVX512BF16__)
#define MEDMO_DETAIL_ABI_ARCH avx512bf16
#elif defined(__AVX512F__)
#define MEDMO_DETAIL_ABI_ARCH avx512
#elif defined(__AVX2__)
#define MEDMO_DETAIL_ABI_ARCH avx2
#else
#define MEDMO_DETAIL_ABI_ARCH base
#endif

#define MEDMO_DETAIL_JOIN3(a, b, c) a##_##b##c
#define MEDMO_DETAIL_JOIN(a, b, c) MEDMO_DETAIL_JOIN3(a, b, c)

/// Every header opens `namespace medmo::inline MEDMO_ABI::room { ... }`.
#define MEDMO_ABI MEDMO_DETAIL_JOIN(v0, MEDMO_DETAIL_ABI_ARCH, MEDMO_DETAIL_ABI_EXCEPTIONS)
