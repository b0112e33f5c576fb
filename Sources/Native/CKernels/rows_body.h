// The row operations; compiled once per instruction set. Rows end with a scalar tail through the same vector code.
#include "rows_internal.h"
#include "vector.h"

#pragma STDC FP_CONTRACT OFF

// The last n < 8 floats, filled up with `fill`.
VINLINE v8 v8_load_some(const float *p, size_t n, float fill) {
    v8 v = v8_all(fill);
    for (size_t i = 0; i < n; i++) v[i] = p[i];
    return v;
}
VINLINE void v8_store_some(float *p, v8 v, size_t n) {
    for (size_t i = 0; i < n; i++) p[i] = v[i];
}

#define FOR_EIGHTS(i, n) \
    size_t i = 0;        \
    for (; i + 8 <= (n); i += 8)

VINLINE float sum_of_squares(const float *x, size_t n, float mean) {
    v8 sum[2] = {v8_all(0), v8_all(0)}, m = v8_all(mean);
    FOR_EIGHTS(i, n) {
        v8 v = v8_load(x + i) - m;
        sum[i / 8 & 1] = v8_fma(v, v, sum[i / 8 & 1]);
    }
    v8 v = v8_load_some(x + i, n - i, mean) - m;
    return v8_sum(v8_fma(v, v, sum[0]) + sum[1]);
}

VFUNCTION void rms_norm(void *context, size_t begin, size_t end) {
    const nb_row_work *w = context;
    for (size_t t = begin; t < end; t++)
        for (size_t g = 0; g < w->groups; g++) {
            const float *x = w->x.data + t * w->x.stride + g * w->size;
            float *out = w->out.data + t * w->out.stride + g * w->size;
            v8 scale = v8_all(1.0f / sqrtf(sum_of_squares(x, w->size, 0) / (float)w->size + w->eps));
            FOR_EIGHTS(i, w->size) v8_store(out + i, v8_load(x + i) * scale * v8_load(w->weight + i));
            size_t left = w->size - i;
            v8_store_some(out + i, v8_load_some(x + i, left, 0) * scale * v8_load_some(w->weight + i, left, 0), left);
        }
}

VFUNCTION void layer_norm(void *context, size_t begin, size_t end) {
    const nb_row_work *w = context;
    for (size_t t = begin; t < end; t++) {
        const float *x = w->x.data + t * w->x.stride;
        float *out = w->out.data + t * w->out.stride;
        v8 sum = v8_all(0);
        FOR_EIGHTS(j, w->size) sum += v8_load(x + j);
        float mean = v8_sum(sum + v8_load_some(x + j, w->size - j, 0)) / (float)w->size;
        v8 scale = v8_all(1.0f / sqrtf(sum_of_squares(x, w->size, mean) / (float)w->size + w->eps)), m = v8_all(mean);
        FOR_EIGHTS(i, w->size) {
            v8 bias = w->bias ? v8_load(w->bias + i) : v8_all(0);
            v8_store(out + i, (v8_load(x + i) - m) * scale * v8_load(w->weight + i) + bias);
        }
        size_t left = w->size - i;
        v8 bias = w->bias ? v8_load_some(w->bias + i, left, 0) : v8_all(0);
        v8 y = (v8_load_some(x + i, left, 0) - m) * scale * v8_load_some(w->weight + i, left, 0) + bias;
        v8_store_some(out + i, y, left);
    }
}

VINLINE v8 activated(int activation, v8 x) {
    switch (activation) {
    case NB_SILU: return x * v8_sigmoid(x);
    case NB_GELU_TANH: {
        // 0.5 (1 + tanh(u)) = sigmoid(2 u)
        v8 u = v8_all(0.797884561f) * (x + v8_all(0.044715f) * x * x * x);
        return x * v8_sigmoid(u + u);
    }
    case NB_GELU_ERF: return v8_all(0.5f) * x * (v8_all(1.0f) + v8_erf(x * v8_all(0.70710678f)));
    default: return v8_choose(x < v8_all(0), v8_all(0), x);
    }
}

VINLINE void gated_row(int activation, const float *x, size_t n, float *out) {
    FOR_EIGHTS(i, n) v8_store(out + i, activated(activation, v8_load(x + i)) * v8_load(x + n + i));
    size_t left = n - i;
    v8_store_some(out + i, activated(activation, v8_load_some(x + i, left, 0)) * v8_load_some(x + n + i, left, 0), left);
}

VINLINE void activate_row(int activation, float *x, size_t n) {
    FOR_EIGHTS(i, n) v8_store(x + i, activated(activation, v8_load(x + i)));
    v8_store_some(x + i, activated(activation, v8_load_some(x + i, n - i, 0)), n - i);
}

VFUNCTION void gated(void *context, size_t begin, size_t end) {
    const nb_row_work *w = context;
    for (size_t t = begin; t < end; t++) {
        const float *x = w->x.data + t * w->x.stride;
        float *out = w->out.data + t * w->out.stride;
        switch (w->activation) {
        case NB_SILU: gated_row(NB_SILU, x, w->size, out); break;
        case NB_GELU_TANH: gated_row(NB_GELU_TANH, x, w->size, out); break;
        case NB_GELU_ERF: gated_row(NB_GELU_ERF, x, w->size, out); break;
        default: gated_row(NB_RELU, x, w->size, out);
        }
    }
}

VFUNCTION void activate(void *context, size_t begin, size_t end) {
    const nb_row_work *w = context;
    for (size_t t = begin; t < end; t++) {
        float *x = w->x.data + t * w->x.stride;
        switch (w->activation) {
        case NB_SILU: activate_row(NB_SILU, x, w->size); break;
        case NB_GELU_TANH: activate_row(NB_GELU_TANH, x, w->size); break;
        case NB_GELU_ERF: activate_row(NB_GELU_ERF, x, w->size); break;
        default: activate_row(NB_RELU, x, w->size);
        }
    }
}

VFUNCTION void add(void *context, size_t begin, size_t end) {
    const nb_row_work *w = context;
    v8 scale = v8_all(w->scale);
    for (size_t t = begin; t < end; t++) {
        float *x = w->x.data + t * w->x.stride;
        const float *y = w->y.data + t * w->y.stride;
        FOR_EIGHTS(i, w->size) v8_store(x + i, v8_fma(v8_load(y + i), scale, v8_load(x + i)));
        size_t left = w->size - i;
        v8_store_some(x + i, v8_fma(v8_load_some(y + i, left, 0), scale, v8_load_some(x + i, left, 0)), left);
    }
}

VFUNCTION void softmax(void *context, size_t begin, size_t end) {
    const nb_row_work *w = context;
    for (size_t t = begin; t < end; t++) {
        float *x = w->x.data + t * w->x.stride;
        v8 most = v8_all(-INFINITY), sum = v8_all(0);
        FOR_EIGHTS(i, w->size) most = v8_max(v8_load(x + i), most);
        most = v8_max(v8_load_some(x + i, w->size - i, -INFINITY), most);
        v8 m = v8_all(v8_greatest(most));
        FOR_EIGHTS(j, w->size) {
            v8 e = v8_exp(v8_load(x + j) - m);
            v8_store(x + j, e);
            sum += e;
        }
        size_t left = w->size - j;
        v8 e = v8_exp(v8_load_some(x + j, left, -INFINITY) - m);
        v8_store_some(x + j, e, left);
        v8 scale = v8_all(1.0f / v8_sum(sum + e));
        FOR_EIGHTS(k, w->size) v8_store(x + k, v8_load(x + k) * scale);
        v8_store_some(x + k, v8_load_some(x + k, left, 0) * scale, left);
    }
}

VFUNCTION void argmax(void *context, size_t begin, size_t end) {
    const nb_row_work *w = context;
    for (size_t t = begin; t < end; t++) {
        const float *x = w->x.data + t * w->x.stride;
        v8 most = v8_all(-INFINITY);
        FOR_EIGHTS(i, w->size) most = v8_max(v8_load(x + i), most);
        float greatest = v8_greatest(v8_max(v8_load_some(x + i, w->size - i, -INFINITY), most));
        size_t at = 0;
        while (at < w->size && x[at] != greatest) at++;
        w->result[t] = at < w->size ? (int32_t)at : 0;
    }
}

VFUNCTION void rope(void *context, size_t begin, size_t end) {
    const nb_row_work *w = context;
    size_t pairs = w->size, headSize = w->headSize;
    for (size_t t = begin; t < end; t++) {
        const float *c = w->y.data + t * w->y.stride, *s = c + pairs;
        for (size_t h = 0; h < w->groups; h++) {
            float *x = w->x.data + t * w->x.stride + h * headSize;
            if (w->interleaved) {
                for (size_t i = 0; i < pairs; i++) {
                    float a = x[2 * i], b = x[2 * i + 1];
                    x[2 * i] = a * c[i] - b * s[i];
                    x[2 * i + 1] = a * s[i] + b * c[i];
                }
            } else {
                for (size_t i = 0; i < pairs; i++) {
                    float a = x[i], b = x[i + pairs];
                    x[i] = a * c[i] - b * s[i];
                    x[i + pairs] = a * s[i] + b * c[i];
                }
            }
        }
    }
}
