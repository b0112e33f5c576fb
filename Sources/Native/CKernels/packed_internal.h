// Layout facts shared by packed.c and the products. Not for other modules.
#ifndef NESTBOX_PACKED_INTERNAL_H
#define NESTBOX_PACKED_INTERNAL_H

#include <math.h>
#include <string.h>

#include "packed.h"

enum { GROUP = 8, BLOCK = 32 };

/// Where things are in a packed group of 8 rows. Blocks of 32 columns; `perHeader` of them share a header.
typedef struct {
    int perHeader, header, block;
    int bits;      ///< of the unsigned integers; 8 means signed bytes without an offset
    int halves;    ///< scales per block: 1, or 2 (one for each 16)
    int hasMin;    ///< whether a term min × sum(x) follows
} nb_layout;

static inline __attribute__((always_inline)) nb_layout nb_layout_of(uint32_t dtype) {
    switch (dtype) {
    case NB_Q4_0: return (nb_layout){1, 0, 144, 4, 1, 1};
    case NB_Q4_1: return (nb_layout){1, 0, 160, 4, 1, 1};
    case NB_Q5_0: return (nb_layout){1, 0, 176, 5, 1, 1};
    case NB_Q5_1: return (nb_layout){1, 0, 192, 5, 1, 1};
    case NB_Q8_0: return (nb_layout){1, 0, 272, 8, 1, 0};
    case NB_IQ4_NL: return (nb_layout){1, 0, 144, 8, 1, 0};
    case NB_Q2_K: return (nb_layout){8, 32, 80, 2, 2, 1};
    case NB_Q3_K: return (nb_layout){8, 16, 112, 3, 2, 1};
    case NB_Q4_K: return (nb_layout){8, 32, 144, 4, 1, 1};
    case NB_Q5_K: return (nb_layout){8, 32, 176, 5, 1, 1};
    case NB_Q6_K: return (nb_layout){8, 16, 208, 6, 2, 1};
    default: return (nb_layout){0, 0, 0, 0, 0, 0};
    }
}

static inline __attribute__((always_inline)) size_t nb_group_bytes(nb_layout layout, size_t columns) {
    return columns / BLOCK / (size_t)layout.perHeader * (size_t)(layout.header + layout.perHeader * layout.block);
}

/// The header and the block `b` of a group.
static inline __attribute__((always_inline)) const uint8_t *nb_header_at(nb_layout l, const uint8_t *group, size_t b) {
    return group + b / (size_t)l.perHeader * (size_t)(l.header + l.perHeader * l.block);
}

static inline __attribute__((always_inline)) const uint8_t *nb_block_at(nb_layout l, const uint8_t *group, size_t b) {
    return nb_header_at(l, group, b) + l.header + b % (size_t)l.perHeader * (size_t)l.block;
}

static inline float nb_half_to_float(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, mantissa = h & 1023, bits;
    if (exponent == 0) {
        float value = (float)mantissa * 0x1p-24f;
        memcpy(&bits, &value, 4);
        bits |= sign;
    } else {
        bits = sign | (exponent == 31 ? 0x7F800000u : (exponent + 112) << 23) | mantissa << 13;
    }
    float result;
    memcpy(&result, &bits, 4);
    return result;
}

static inline float nb_half_at(const uint8_t *p, int index) {
    uint16_t h;
    memcpy(&h, p + 2 * index, 2);
    return nb_half_to_float(h);
}

static inline float nb_bfloat_to_float(uint16_t h) {
    uint32_t bits = (uint32_t)h << 16;
    float result;
    memcpy(&result, &bits, 4);
    return result;
}

extern const int8_t nb_iq4_values[16];

/// One block of a group as plain numbers: element = scale[half] * value + min[half].
typedef struct {
    int8_t value[GROUP][BLOCK];
    float scale[2][GROUP], min[2][GROUP];
} nb_plain_block;

void nb_expand_block(uint32_t dtype, const uint8_t *group, size_t b, nb_plain_block *out);

#endif
