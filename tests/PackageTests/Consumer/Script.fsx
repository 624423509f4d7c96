#i "nuget: FEED"
#r "nuget: OrthoNative, VERSION"

open OrthoNative

printfn "version %s, %d values" SystemInfo.Version ((new Tensor(Device.Default, DType.Float32, 3L)).ToArray<float32>().Length)
