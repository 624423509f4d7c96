namespace OrthoNative;

/// <summary>A file of a published data set, and how to know that it is the right one.</summary>
/// <param name="Name">Name without the <c>.gz</c> of its compressed form.</param>
/// <param name="Bytes">Length of the uncompressed content.</param>
/// <param name="Md5">MD5 of the uncompressed content as the publisher gives it, 32 hexadecimal digits.</param>
public sealed record DatasetFile(string Name, long Bytes, string Md5);
