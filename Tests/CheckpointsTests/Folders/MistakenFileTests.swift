import Checkpoints
import TestSupport
import Testing

/// Files that are something else than their names say, as downloads leave them: called what they are, wherever weights
/// or configurations are looked for.
@Suite struct MistakenFileTests {
  private static let archive: [UInt8] = Array("PK\u{3}\u{4}".utf8) + [UInt8](repeating: 0, count: 26)
  static let files: [(what: String, bytes: [UInt8])] = [
    ("web page", Array("\r\n  <!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>".utf8)),
    ("web page", Array("<html lang=\"en\"><body>Not found</body></html>".utf8)),
    ("XML", Array("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>".utf8)),
    ("ZIP archive", archive + Array("model/unet/config.json".utf8)),
    ("pickled", archive + Array("archive/data.pkl".utf8) + [0x80, 2]),
    ("gzip", [0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 3, 1, 2]),
    ("7z", Array("7z".utf8) + [0xbc, 0xaf, 0x27, 0x1c, 0, 4, 1, 2]),
    ("RAR", Array("Rar!".utf8) + [0x1a, 7, 1, 0, 9, 9]),
    ("PNG", [0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0]),
    ("JPEG", [0xff, 0xd8, 0xff, 0xe0, 0, 16, 0x4a, 0x46, 0x49]),
    ("program", Array("\u{7f}ELF".utf8) + [2, 1, 1, 0, 0, 0]),
    ("not finished", [UInt8](repeating: 0, count: 4096)),
    ("a text", Array("Invalid username or password.".utf8)),
    ("a text", Array("{\"error\": \"Repository not found\"}".utf8)),
    ("Git LFS", Array("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n".utf8)),
  ]

  private func expect(_ what: String, location: SourceLocation = #_sourceLocation, _ body: () throws -> Void)
  {
    let error = #expect(throws: CheckpointError.self, sourceLocation: location) { try body() }
    let text = error?.description ?? ""
    #expect(text.contains(what), "\(text)", sourceLocation: location)
    #expect(
      !text.contains("Sign in") && !text.contains("password"), "quotes the file", sourceLocation: location)
  }

  @Test(arguments: files.indices) func inThePlaceOfWeights(_ index: Int) throws {
    let (what, bytes) = Self.files[index]
    let folder = try TemporaryFolder()
    for name in ["unet/diffusion_pytorch_model.safetensors", "packed/unet.gguf"] {
      let path = try folder.write(name, bytes)
      expect(what) { _ = try SafetensorsFile(path: path) }
      expect(what) { _ = try LoRAFile(path: path) }
      expect(what) { _ = try AutoencoderFiles(path: path, own: nil, isXL: false) }
      expect(what) { _ = try ModelPath(path).open() }
      expect(what) {
        _ = try ComponentFolder(path: folder.path + "/" + name.split(separator: "/")[0]).weights()
      }
    }
  }

  @Test(arguments: files.indices) func inThePlaceOfConfigurations(_ index: Int) throws {
    let (what, bytes) = Self.files[index]
    // What is readable is JSON or not.
    guard !["a text", "not finished", "pickled"].contains(what) else { return }
    let folder = try TemporaryFolder()
    let path = try folder.write("config.json", bytes)
    expect(what) { _ = try ConfigObject(contentsOf: path) }
    let lora = try folder.write(
      "lora/adapter_model.safetensors", tensors: ["unet.a.lora_A.weight": TestTensor([1, 1], seed: 1)])
    try folder.write("lora/adapter_config.json", bytes)
    expect(what) { _ = try LoRAFile(path: lora) }
  }

  /// Bytes of a real header may look like any of these.
  @Test func aHeaderOfThatLengthIsAHeader() throws {
    let folder = try TemporaryFolder()
    // "PK", 3 and 4 as the length, which is 67 MB.
    var bytes: [UInt8] = [0x50, 0x4b, 3, 4, 0, 0, 0, 0]
    bytes += Array("{}".utf8) + [UInt8](repeating: 0x20, count: 0x0403_4b50 - 2)
    let path = try folder.write("a.safetensors", bytes)
    #expect(try SafetensorsFile(path: path).count == 0)
  }
}
