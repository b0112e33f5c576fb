// Tensors: what models compute with. It knows neither files nor networks.
//
//   DType              the types of elements: plain ones, and blocks of quantized weights as GGUF lays them out
//   BlockCodec         elements of any type to floats and back
//   Backend            the fused operations that models are made of, over memory that a backend owns
//   CPUBackend         the backend of the host, on the kernels of CKernels
//   CPUBackend+Rows    its norms, activations, rotary embedding, cache and attention
//   ThreadTeam         fork and join in microseconds
