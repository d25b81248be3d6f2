/* Loops over bytes of pictures that are plain C, compiled once for any processor of the kind and once for AVX2, which
 * is taken where it is there. Both give the same numbers: nothing is contracted (-ffp-contract=off). */
#ifndef DATA_FOR_AVX2_H
#define DATA_FOR_AVX2_H

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Defines `static void name parameters` that runs the ALWAYS_INLINE function `name`_body with `arguments`, which name
 * the parameters:  DEFINE_FOR_AVX2(invert, (uint8_t *bytes, size_t count), (bytes, count)) */
#if defined(__x86_64__) && defined(__GNUC__)
#define DEFINE_FOR_AVX2(name, parameters, arguments)                   \
    __attribute__((target("avx2"))) static void name##_avx2 parameters \
    {                                                                  \
        name##_body arguments;                                         \
    }                                                                  \
    static void name parameters                                        \
    {                                                                  \
        if (__builtin_cpu_supports("avx2"))                            \
            name##_avx2 arguments;                                     \
        else                                                           \
            name##_body arguments;                                     \
    }
#else
#define DEFINE_FOR_AVX2(name, parameters, arguments) \
    static void name parameters                      \
    {                                                \
        name##_body arguments;                       \
    }
#endif

#endif
