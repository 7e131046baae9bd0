/// A file of named tensors, of whatever format.
package protocol TensorFile: Sendable {
  /// The path as given.
  var path: String { get }
  /// The tensors by name. Nothing is read yet.
  var tensors: [String: StoredTensor] { get }
  /// The file's metadata, as far as they are text.
  var metadata: [String: String] { get }
}

/// Opens files of tensors by their first bytes.
enum TensorFiles {
  /// Opens a safetensors or a GGUF file.
  /// - Throws: `pickled`, `lfsPointer`, `missingFile`, `unreadable`, `malformed`, `unreadableType`.
  static func open(_ path: String) throws -> any TensorFile {
    try PickledFile.refuse(path)
    return try GGUFFile.isOne(path) ? GGUFFile(path: path) : SafetensorsFile(path: path)
  }
}
