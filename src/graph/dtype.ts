/** Element types of tensors. The interpreter computes f32 in float64; a runtime in float32. */
export type DType = 'f32' | 'i32' | 'i64' | 'bool';
