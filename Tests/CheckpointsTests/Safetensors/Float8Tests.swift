import Checkpoints
import Foundation
import Fuzzing
import Tensors
import TestSupport
import Testing

/// Floats of 8 bits as torch reads them (`Goldens/scripts/file_formats.py`), and with ComfyUI's scales.
@Suite struct Float8Tests {
  @Test(arguments: ["e4m3", "e5m2", "e4m3fnuz", "e5m2fnuz"]) func everyByteHasTorchsValue(_ kind: String)
    throws
  {
    let file = try SafetensorsFile(path: Places.golden("formats/float8.safetensors"))
    let wanted = try #require(try file[kind + ".values"]?.read().values)
    let stored = try #require(file[kind + ".stored"])
    let found = try stored.read().values
    #expect(found.count == 256 && wanted.count == 256)
    for byte in 0..<256 {
      #expect(
        found[byte].bitPattern == wanted[byte].bitPattern || found[byte].isNaN && wanted[byte].isNaN,
        "\(byte)")
    }
    #expect(try stored.elements(17..<93).map(\.bitPattern) == found[17..<93].map(\.bitPattern))
    #expect(stored.isRaw && stored.exactType == stored.type)
  }

  /// A file with one weight of 8 bits, `[2, 3]`: 1 … 6 in E4M3.
  private func scaled(_ folder: TemporaryFolder, _ scale: [Float], named name: String) throws
    -> SafetensorsFile
  {
    try SafetensorsFile(path: folder.write("a.safetensors", Self.bytes(scale, named: name)))
  }

  private static func bytes(_ scale: [Float], named name: String) -> [UInt8] {
    let shape = scale.count == 1 ? "[]" : "[\(scale.count)]"
    let header = """
      {"a.weight":{"dtype":"F8_E4M3","shape":[2,3],"data_offsets":[0,6]},\
      "a.\(name)":{"dtype":"F32","shape":\(shape),"data_offsets":[6,\(6 + 4 * scale.count)]},\
      "scaled_fp8":{"dtype":"F8_E4M3","shape":[0],"data_offsets":[\(6 + 4 * scale.count),\(6 + 4 * scale.count)]}}
      """
    let data: [UInt8] = [0x38, 0x40, 0x44, 0x48, 0x4a, 0x4c] + littleEndian(scale)
    return safetensors(header: header, data: data)
  }

  @Test(arguments: ["scale_weight", "weight_scale"]) func scalesMultiplyTheWeight(_ name: String) throws {
    let folder = try TemporaryFolder()
    let whole = try #require(try scaled(folder, [0.5], named: name)["a.weight"])
    #expect(try whole.read().values == [0.5, 1, 1.5, 2, 2.5, 3])
    #expect(!whole.isRaw && whole.exactType == .float32)
    #expect(try whole.transposed?.read().values == [0.5, 2, 1, 2.5, 1.5, 3])
    let rows = try #require(try scaled(folder, [0.5, 2], named: name)["a.weight"])
    #expect(try rows.read().values == [0.5, 1, 1.5, 8, 10, 12])
    #expect(try rows.rows(1..<2)?.read().values == [8, 10, 12])
    #expect(try rows.elements(2..<4) == [1.5, 8])
    #expect(try scaled(folder, [0.5], named: name).names.sorted() == ["a.weight"])
    #expect(throws: CheckpointError.self) { try scaled(folder, [1, 2, 3], named: name) }
    #expect(throws: CheckpointError.self) { try scaled(folder, [.infinity], named: name) }
  }

  /// Bytes changed at random: an error, or weights that can be read with their scales.
  @Test func fuzzedScalesNeverCrash() throws {
    let folder = try TemporaryFolder()
    let seeds = [
      Self.bytes([0.5], named: "scale_weight"), Self.bytes([0.5, 2], named: "weight_scale"),
      Self.bytes([1], named: "comfy_quant"),
    ]
    let pieces = [
      "F8_E5M2", "F8_E4M3", "F8_E4M3FNUZ", "F8_E8M0", "scale_weight", "a.weight", "[]", "[0]", "[6]",
    ]
    var refused = 0
    let run = try FuzzRun("fp8", cases: 3000) { number, numbers in
      var bytes = seeds[number % seeds.count]
      // Half of the cases leave the header as it is.
      numbers.mutate(&bytes, most: 3, from: number % 2 == 0 ? 8 : bytes.count - 14, pieces: pieces)
      let path = try folder.write("a.safetensors", bytes)
      do {
        let file = try SafetensorsFile(path: path)
        for name in file.names {
          guard let stored = file[name], stored.type.isFloat8 || stored.type == .float32 else { continue }
          #expect(try stored.read().count == stored.count)
        }
      } catch is CheckpointError {
        refused += 1
      }
    }
    #expect(refused > run.cases / 4 && refused < run.cases, "\(refused) of \(run.cases)")
    #expect(run.isBounded)
  }

  /// A pointer that Git LFS left is called that, wherever weights are looked for.
  @Test(arguments: ["model.safetensors", "unet.gguf", "vae.sft"]) func aPointerIsCalledThat(_ name: String)
    throws
  {
    let folder = try TemporaryFolder()
    let text =
      "version https://git-lfs.github.com/spec/v1\noid sha256:\(String(repeating: "a", count: 64))\nsize 99\n"
    let path = try folder.write(name, text)
    #expect(throws: CheckpointError.lfsPointer(path: path)) { try SafetensorsFile(path: path) }
    #expect(throws: CheckpointError.lfsPointer(path: path)) { try ModelPath(path).open() }
    #expect(throws: CheckpointError.lfsPointer(path: path)) { try LoRAFile(path: path) }
    #expect(throws: CheckpointError.lfsPointer(path: path)) {
      try AutoencoderFiles(path: path, own: nil, isXL: false)
    }
    #expect(CheckpointError.lfsPointer(path: path).description.contains("git lfs pull"))
  }
}
