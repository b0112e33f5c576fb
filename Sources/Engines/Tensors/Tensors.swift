// Tensors: what models compute with. It knows neither files nor networks.
//
//   DType      the types of elements: plain ones, and blocks of quantized weights as GGUF lays them out
