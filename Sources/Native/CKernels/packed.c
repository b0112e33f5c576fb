// Repacking of quantized weights, without loss, for kernels that compute 8 outputs at once.
//
// Eight rows make a group (the last one is filled up with zeros); a group holds its rows' blocks of 32 columns one after
// the other, so that a product reads one stream. Within a block the eight rows' parts lie together:
//
//   scales     8 f16 (or small integers, with f16 factors in a header that 8 blocks share), then minima likewise
//   high bits  [row][4], bit g of byte i belongs to column 4 g + i; for two bits [2][row][4], bits 2 (g % 4) of plane g / 4
//   low bits   [4][row][4]: column 4 j + i in the low half of a byte, column 16 + 4 j + i in the high half;
//              2-bit types have planes as above, 8-bit types [8][row][4]
//
// Four neighbouring columns of a row fill a 32-bit lane: that is what maddubs, dpbusd and the dot product of NEON want.
// Sizes equal the file's but for the K types' small scales, which become bytes (+3 %).
#include "packed_internal.h"

const int8_t nb_iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

static size_t source_block_bytes(uint32_t dtype) {
    switch (dtype) {
    case NB_Q4_0: case NB_IQ4_NL: return 18;
    case NB_Q4_1: return 20;
    case NB_Q5_0: return 22;
    case NB_Q5_1: return 24;
    case NB_Q8_0: return 34;
    case NB_Q2_K: return 84;
    case NB_Q3_K: return 110;
    case NB_Q4_K: return 144;
    case NB_Q5_K: return 176;
    case NB_Q6_K: return 210;
    default: return 0;
    }
}

static size_t plain_bytes(uint32_t dtype) { return dtype == NB_F32 ? 4 : dtype == NB_F16 || dtype == NB_BF16 ? 2 : 0; }

size_t nb_packed_bytes(uint32_t dtype, size_t rows, size_t columns) {
    nb_layout layout = nb_layout_of(dtype);
    size_t plain = plain_bytes(dtype), groups = rows / GROUP + (rows % GROUP != 0), bytes = 0;
    if (rows == 0 || columns == 0 || columns > SIZE_MAX / 64) return 0;
    if (plain) return __builtin_mul_overflow(groups, columns * plain * GROUP, &bytes) ? 0 : bytes;
    if (!layout.perHeader || columns % (BLOCK * (size_t)layout.perHeader)) return 0;
    return __builtin_mul_overflow(groups, nb_group_bytes(layout, columns), &bytes) ? 0 : bytes;
}

// The integers of columns 32 b … 32 b + 31 of a row, as the file's type stores them (without offset).
static void read_integers(uint32_t dtype, const uint8_t *row, size_t b, uint8_t *q) {
    const uint8_t *p = row + b / 8 * source_block_bytes(dtype);
    int n = (int)(b % 8) / 4, j = (int)b % 4, s = (int)(b % 8);
    switch (dtype) {
    case NB_Q2_K:
        for (int l = 0; l < 32; l++) q[l] = p[16 + 32 * n + l] >> (2 * j) & 3;
        return;
    case NB_Q3_K:
        for (int l = 0; l < 32; l++)
            q[l] = (uint8_t)((p[32 + 32 * n + l] >> (2 * j) & 3) | (p[l] >> s & 1) << 2);
        return;
    case NB_Q4_K:
        for (int l = 0; l < 32; l++) q[l] = p[16 + 32 * (s / 2) + l] >> (4 * (s & 1)) & 15;
        return;
    case NB_Q5_K:
        for (int l = 0; l < 32; l++)
            q[l] = (uint8_t)((p[48 + 32 * (s / 2) + l] >> (4 * (s & 1)) & 15) | (p[16 + l] >> s & 1) << 4);
        return;
    case NB_Q6_K:
        for (int l = 0; l < 32; l++)
            q[l] = (uint8_t)((p[64 * n + 32 * (j & 1) + l] >> (4 * (j / 2)) & 15) |
                             (p[128 + 32 * n + l] >> (2 * j) & 3) << 4);
        return;
    }
}

// The two small scales and minima of block b (for types with one per block, only [0]).
static void read_scales(uint32_t dtype, const uint8_t *row, size_t b, uint8_t *scale, uint8_t *min) {
    const uint8_t *p = row + b / 8 * source_block_bytes(dtype);
    int s = (int)(b % 8);
    if (dtype == NB_Q4_K || dtype == NB_Q5_K) {
        const uint8_t *q = p + 4;
        scale[0] = s < 4 ? q[s] & 63 : (uint8_t)((q[s + 4] & 15) | q[s - 4] >> 6 << 4);
        min[0] = s < 4 ? q[s + 4] & 63 : (uint8_t)(q[s + 4] >> 4 | q[s] >> 6 << 4);
        return;
    }
    for (int half = 0; half < 2; half++) {
        int i = 2 * s + half;
        if (dtype == NB_Q2_K) {
            scale[half] = p[i];
        } else if (dtype == NB_Q6_K) {
            scale[half] = p[192 + i];
        } else {
            const uint8_t *q = p + 96;
            int low = i < 8 ? q[i] & 15 : q[i - 8] >> 4, high = q[8 + i % 4] >> (2 * (i / 4)) & 3;
            scale[half] = (uint8_t)(int8_t)((low | high << 4) - 32);
        }
    }
}

static void write_nibbles(const uint8_t *q, int r, uint8_t *out) {
    for (int j = 0; j < 4; j++)
        for (int i = 0; i < 4; i++)
            out[32 * j + 4 * r + i] = (uint8_t)((q[4 * j + i] & 15) | (q[16 + 4 * j + i] & 15) << 4);
}

static void write_bit_plane(const uint8_t *q, int bit, int r, uint8_t *out) {
    for (int i = 0; i < 4; i++) {
        uint8_t byte = 0;
        for (int g = 0; g < 8; g++) byte |= (uint8_t)((q[4 * g + i] >> bit & 1) << g);
        out[4 * r + i] = byte;
    }
}

static void write_two_bit_planes(const uint8_t *q, int shift, int r, uint8_t *out) {
    for (int h = 0; h < 2; h++)
        for (int i = 0; i < 4; i++) {
            uint8_t byte = 0;
            for (int g = 0; g < 4; g++) byte |= (uint8_t)((q[16 * h + 4 * g + i] >> shift & 3) << (2 * g));
            out[32 * h + 4 * r + i] = byte;
        }
}

// Types whose blocks hold 32 elements: f16 factors, then the bytes of the file in chunks of four.
static void pack_simple_block(uint32_t dtype, const uint8_t *p, int r, uint8_t *out) {
    int factors = dtype == NB_Q4_1 || dtype == NB_Q5_1 ? 2 : 1, chunks = dtype == NB_Q8_0 ? 8 : 4;
    for (int f = 0; f < factors; f++) memcpy(out + 16 * f + 2 * r, p + 2 * f, 2);
    p += 2 * factors;
    out += 16 * factors;
    if (dtype == NB_Q5_0 || dtype == NB_Q5_1) {
        for (int i = 0; i < 4; i++) {
            uint8_t byte = 0;
            for (int g = 0; g < 8; g++) byte |= (uint8_t)((p[(4 * g + i) / 8] >> ((4 * g + i) % 8) & 1) << g);
            out[4 * r + i] = byte;
        }
        p += 4;
        out += 32;
    }
    for (int j = 0; j < chunks; j++) memcpy(out + 32 * j + 4 * r, p + 4 * j, 4);
}

static void pack_k_block(uint32_t dtype, const uint8_t *row, size_t b, int r, uint8_t *header, uint8_t *out) {
    uint8_t q[32], scale[2] = {0, 0}, min[2] = {0, 0};
    const uint8_t *p = row + b / 8 * source_block_bytes(dtype);
    read_integers(dtype, row, b, q);
    read_scales(dtype, row, b, scale, min);
    int factors = dtype == NB_Q2_K ? 80 : dtype == NB_Q3_K ? 108 : dtype == NB_Q6_K ? 208 : 0;
    memcpy(header + 2 * r, p + factors, 2);
    if (dtype != NB_Q3_K && dtype != NB_Q6_K) memcpy(header + 16 + 2 * r, p + factors + 2, 2);
    out[r] = scale[0];
    out[8 + r] = nb_layout_of(dtype).halves == 2 ? scale[1] : min[0];
    out += 16;
    if (dtype == NB_Q2_K) return write_two_bit_planes(q, 0, r, out);
    if (dtype == NB_Q3_K) {
        write_bit_plane(q, 2, r, out);
        return write_two_bit_planes(q, 0, r, out + 32);
    }
    if (dtype == NB_Q5_K) {
        write_bit_plane(q, 4, r, out);
        out += 32;
    } else if (dtype == NB_Q6_K) {
        write_two_bit_planes(q, 4, r, out);
        out += 64;
    }
    write_nibbles(q, r, out);
}

typedef struct {
    uint32_t dtype;
    size_t rows, columns;
    const uint8_t *source;
    uint8_t *packed;
} packing;

// Eight columns of eight rows of 16-bit elements change places in registers: three rounds of interleaving halves.
static void transpose_halves(const uint8_t *in, size_t rowBytes, uint8_t *out) {
    typedef uint16_t h8 __attribute__((vector_size(16)));
    h8 a[8], b[8];
    for (int r = 0; r < 8; r++) memcpy(a + r, in + (size_t)r * rowBytes, 16);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 4; i++) {
            b[2 * i] = __builtin_shufflevector(a[i], a[i + 4], 0, 8, 1, 9, 2, 10, 3, 11);
            b[2 * i + 1] = __builtin_shufflevector(a[i], a[i + 4], 4, 12, 5, 13, 6, 14, 7, 15);
        }
        memcpy(a, b, sizeof a);
    }
    memcpy(out, a, sizeof a);
}

// Plain types: [column][8 rows].
static void pack_plain_group(const packing *work, size_t group) {
    size_t size = plain_bytes(work->dtype), columns = work->columns;
    uint8_t *out = work->packed + group * columns * GROUP * size;
    size_t used = work->rows - group * GROUP < GROUP ? work->rows - group * GROUP : GROUP;
    const uint8_t *in = work->source + group * GROUP * columns * size;
    if (used < GROUP) memset(out, 0, columns * GROUP * size);
    size_t done = 0;
    for (; size == 2 && used == GROUP && done + 8 <= columns; done += 8)
        transpose_halves(in + done * 2, columns * 2, out + done * GROUP * 2);
    for (size_t k0 = done; k0 < columns; k0 += 16)
        for (size_t r = 0; r < used; r++)
            for (size_t k = k0; k < columns && k < k0 + 16; k++)
                if (size == 4) memcpy(out + (k * GROUP + r) * 4, in + (r * columns + k) * 4, 4);
                else memcpy(out + (k * GROUP + r) * 2, in + (r * columns + k) * 2, 2);
}

static void pack_groups(void *context, size_t begin, size_t end) {
    const packing *work = context;
    nb_layout layout = nb_layout_of(work->dtype);
    for (size_t group = begin; group < end; group++) {
        if (!layout.perHeader) {
            pack_plain_group(work, group);
            continue;
        }
        size_t bytes = nb_group_bytes(layout, work->columns), size = source_block_bytes(work->dtype);
        size_t rowBytes = work->columns / BLOCK / (size_t)layout.perHeader * size;
        uint8_t *out = work->packed + group * bytes;
        size_t used = work->rows - group * GROUP < GROUP ? work->rows - group * GROUP : GROUP;
        const uint8_t *in = work->source + group * GROUP * rowBytes;
        if (used < GROUP) memset(out, 0, bytes);
        for (size_t b = 0; b < work->columns / BLOCK; b++) {
            uint8_t *block = (uint8_t *)nb_block_at(layout, out, b);
            for (size_t r = 0; r < used; r++)
                if (layout.perHeader == 1) pack_simple_block(work->dtype, in + r * rowBytes + b * size, (int)r, block);
                else pack_k_block(work->dtype, in + r * rowBytes, b, (int)r, (uint8_t *)nb_header_at(layout, out, b), block);
        }
    }
}

void nb_pack(nb_team *team, uint32_t dtype, size_t rows, size_t columns, const void *source, uint8_t *packed) {
    packing work = {dtype, rows, columns, source, packed};
    nb_team_ranges(team, (rows + GROUP - 1) / GROUP, 8, pack_groups, &work);
}

static void expand_integers(uint32_t dtype, const uint8_t *p, nb_plain_block *out) {
    nb_layout layout = nb_layout_of(dtype);
    int simple = layout.perHeader == 1;
    p += !simple || dtype == NB_Q4_1 || dtype == NB_Q5_1 ? 16 : 0;
    p += simple ? 16 : 0;
    const uint8_t *high = p;
    if (layout.bits == 5) p += 32;
    if (dtype == NB_Q6_K) p += 64;
    if (dtype == NB_Q3_K) p += 32;
    for (int g = 0; g < 8; g++)
        for (int r = 0; r < GROUP; r++)
            for (int i = 0; i < 4; i++) {
                int lane = 4 * r + i, v;
                if (dtype == NB_Q8_0) v = (int8_t)p[32 * g + lane];
                else if (layout.bits <= 3) v = p[32 * (g / 4) + lane] >> (2 * (g % 4)) & 3;
                else v = p[32 * (g % 4) + lane] >> (4 * (g / 4)) & 15;
                if (dtype == NB_IQ4_NL) v = nb_iq4_values[v];
                if (dtype == NB_Q3_K) v |= (high[lane] >> g & 1) << 2;
                if (layout.bits == 5) v |= (high[lane] >> g & 1) << 4;
                if (dtype == NB_Q6_K) v |= (high[32 * (g / 4) + lane] >> (2 * (g % 4)) & 3) << 4;
                out->value[r][4 * g + i] = (int8_t)v;
            }
}

void nb_expand_block(uint32_t dtype, const uint8_t *group, size_t b, nb_plain_block *out) {
    nb_layout layout = nb_layout_of(dtype);
    const uint8_t *header = nb_header_at(layout, group, b), *p = nb_block_at(layout, group, b);
    expand_integers(dtype, p, out);
    for (int r = 0; r < GROUP; r++) {
        float d = nb_half_at(layout.perHeader == 1 ? p : header, r);
        out->min[0][r] = out->min[1][r] = 0;
        out->scale[0][r] = out->scale[1][r] = d;
        switch (dtype) {
        case NB_Q4_0: out->min[0][r] = d * -8; break;
        case NB_Q5_0: out->min[0][r] = d * -16; break;
        case NB_Q4_1: case NB_Q5_1: out->min[0][r] = nb_half_at(p + 16, r); break;
        case NB_Q4_K: case NB_Q5_K:
            out->scale[0][r] = d * (float)p[r];
            out->min[0][r] = -(nb_half_at(header + 16, r) * (float)p[8 + r]);
            break;
        case NB_Q2_K:
            for (int h = 0; h < 2; h++) {
                out->scale[h][r] = d * (float)(p[8 * h + r] & 15);
                out->min[h][r] = -(nb_half_at(header + 16, r) * (float)(p[8 * h + r] >> 4));
            }
            break;
        case NB_Q3_K: case NB_Q6_K:
            for (int h = 0; h < 2; h++) {
                out->scale[h][r] = d * (float)(int8_t)p[8 * h + r];
                out->min[h][r] = out->scale[h][r] * (dtype == NB_Q3_K ? -4 : -32);
            }
            break;
        }
        if (layout.halves == 1) {
            out->scale[1][r] = out->scale[0][r];
            out->min[1][r] = out->min[0][r];
        }
    }
}

void nb_packed_row(const nb_matrix *matrix, size_t row, float *out) {
    nb_layout layout = nb_layout_of(matrix->dtype);
    size_t r = row % GROUP, columns = matrix->columns, size = plain_bytes(matrix->dtype);
    if (!layout.perHeader) {
        const uint8_t *p = matrix->data + (row / GROUP * columns * GROUP + r) * size;
        for (size_t k = 0; k < columns; k++, p += GROUP * size) {
            if (size == 4) {
                memcpy(out + k, p, 4);
            } else {
                uint16_t h;
                memcpy(&h, p, 2);
                out[k] = matrix->dtype == NB_F16 ? nb_half_to_float(h) : nb_bfloat_to_float(h);
            }
        }
        return;
    }
    const uint8_t *group = matrix->data + row / GROUP * nb_group_bytes(layout, columns);
    nb_plain_block block;
    for (size_t b = 0; b < columns / BLOCK; b++) {
        nb_expand_block(matrix->dtype, group, b, &block);
        for (int k = 0; k < BLOCK; k++)
            out[b * BLOCK + (size_t)k] = block.scale[k / 16][r] * (float)block.value[r][k] + block.min[k / 16][r];
    }
}

typedef struct {
    const nb_matrix *matrix;
    const int32_t *indices;
    float *out;
    size_t stride;
} lookups;

static void look_up(void *context, size_t begin, size_t end) {
    const lookups *work = context;
    for (size_t i = begin; i < end; i++)
        nb_packed_row(work->matrix, (size_t)work->indices[i], work->out + i * work->stride);
}

void nb_packed_rows(nb_team *team, const nb_matrix *matrix, const int32_t *indices, size_t count, float *out,
                    size_t stride) {
    lookups work = {matrix, indices, out, stride};
    nb_team_ranges(team, count, 8, look_up, &work);
}
