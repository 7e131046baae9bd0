import Checkpoints
import Foundation
import Fuzzing
import Tensors
import TestSupport
import Testing

/// GGUF files against the genuine package (`Goldens/scripts/gguf_files.py`), and hostile ones.
@Suite struct GGUFFileTests {
  private static let golden = Places.golden("formats/blocks.gguf")

  @Test func everyTypeIsUnpackedAsThePackageDoesIt() throws {
    let file = try GGUFFile(path: Self.golden)
    let expected = try SafetensorsFile(path: Places.golden("formats/blocks.safetensors"))
    #expect(Set(file.tensors.keys) == Set(expected.names) && file.tensors.count == 14)
    #expect(file.metadata["general.architecture"] == "sd1")
    for (name, stored) in file.tensors {
      let wanted = try #require(expected[name])
      #expect(stored.shape == wanted.shape, "\(name)")
      let values = try stored.read().values
      #expect(try values.map(\.bitPattern) == wanted.read().values.map(\.bitPattern), "\(name)")
      // Parts that begin and end within blocks.
      for range in [0..<1, 5..<stored.count - 1, stored.count / 3..<stored.count / 2, 0..<0] {
        #expect(
          try stored.elements(range).map(\.bitPattern) == values[range].map(\.bitPattern), "\(name) \(range)")
      }
      let plain: Set = [StoredType.float32, .float16, .bfloat16]
      #expect(stored.exactType == (plain.contains(stored.type) ? stored.type : .float32))
    }
    let matrix = try #require(file.tensors["Q4_K"])
    #expect(try matrix.rows(1..<2)?.read().values == Array(matrix.read().values[256...]))
    #expect(try matrix.transposed?.read().values[1] == matrix.read().values[256])
    // Rows that are no whole blocks cannot be taken apart.
    #expect(try #require(file.tensors["Q8_0"]).reshaped([32, 16])?.rows(0..<1) == nil)
  }

  @Test func brokenFilesAreRefused() throws {
    let folder = try TemporaryFolder()
    let whole = GGUFBytes([.init("a", [2, 3], [1, 2, 3, 4, 5, 6]), .init("b", [2], [7, 8])]).bytes
    let file = try GGUFFile(path: folder.write("a.gguf", whole))
    #expect(
      try file.tensors["a"]?.read().values == [1, 2, 3, 4, 5, 6] && file.tensors["a"]?.shape == [2, 3])
    // What follows the last number is padding.
    for length in 0..<whole.count - 24 {
      let path = try folder.write("a.gguf", Array(whole[..<length]))
      #expect(throws: CheckpointError.self, "\(length) bytes") { try GGUFFile(path: path) }
    }
    for (type, name) in [(UInt32(20), "IQ4_NL"), (16, "IQ2_XXS"), (99, "99")] {
      let path = try folder.write("b.gguf", GGUFBytes([.init("a", [2], [1, 2])], type: type).bytes)
      let error = #expect(throws: CheckpointError.self) { try GGUFFile(path: path) }
      #expect(error?.description.contains(name) == true)
    }
    let double = try folder.write("c.gguf", GGUFBytes([.init("a", [1], [1]), .init("a", [1], [1])]).bytes)
    #expect(throws: CheckpointError.self) { try GGUFFile(path: double) }
    // Counts and lengths beyond the file, at every place of the head.
    for place in 4..<110 {
      var bytes = whole
      for byte in place..<min(place + 8, bytes.count) { bytes[byte] = 0xff }
      let path = try folder.write("d.gguf", bytes)
      _ = try? GGUFFile(path: path).tensors.values.map { try $0.read() }
    }
  }

  /// A head that claims more than any model has is refused before memory is taken for it, and notes that nobody reads
  /// take none.
  @Test func hugeHeadsAreRefused() throws {
    let folder = try TemporaryFolder()
    func head(tensors: UInt64, entries: UInt64) -> [UInt8] {
      Array("GGUF".utf8) + [3, 0, 0, 0] + withUnsafeBytes(of: tensors.littleEndian, Array.init)
        + withUnsafeBytes(of: entries.littleEndian, Array.init)
    }
    func text(_ value: String) -> [UInt8] {
      withUnsafeBytes(of: UInt64(value.utf8.count).littleEndian, Array.init) + Array(value.utf8)
    }
    let many = head(tensors: 70_000, entries: 0) + [UInt8](repeating: 0, count: 24 * 70_000)
    #expect(throws: CheckpointError.self) { try GGUFFile(path: folder.write("many.gguf", many)) }
    // Each name as long as a name may be: four mebibytes of them are enough.
    let name = text(String(repeating: "n", count: 65_000))
    let axes: [UInt8] = [1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 0, count: 8)
    let entries = [[UInt8]](repeating: name + axes, count: 100).joined()
    let long = head(tensors: 100, entries: 0) + Array(entries)
    let error = #expect(throws: CheckpointError.self) { try GGUFFile(path: folder.write("long.gguf", long)) }
    #expect(error?.description.contains("names of more than") == true, "\(String(describing: error))")
    let note = String(repeating: "x", count: 60_000)
    var notes = head(tensors: 0, entries: 200)
    for number in 0..<200 { notes += text("note \(number)") + [8, 0, 0, 0] + text(note) }
    let file = try GGUFFile(path: folder.write("notes.gguf", notes))
    #expect((1..<100).contains(file.metadata.count))
  }

  /// Bytes changed at random: an error, or a file whose every tensor can be read.
  @Test func fuzzedFilesNeverCrash() throws {
    let folder = try TemporaryFolder()
    let seeds = [
      GGUFBytes([.init("a", [2, 3], [1, 2, 3, 4, 5, 6]), .init("b", [2], [7, 8])]).bytes,
      [UInt8](try Data(contentsOf: URL(fileURLWithPath: Self.golden))),
    ]
    var refused = 0
    let run = try FuzzRun("gguf", cases: 3000) { number, numbers in
      var bytes = seeds[number % 2]
      // Most of the second is numbers; its head is worth the changes.
      let head = Array(bytes[..<min(bytes.count, 1500)])
      var changed = head
      numbers.mutate(
        &changed, most: 3, pieces: ["\0", "\u{1}", "GGUF", "comfy.gguf.orig_shape.", "\u{8}\0\0\0"])
      bytes = changed + bytes[head.count...]
      let path = try folder.write("a.gguf", bytes)
      do {
        let file = try GGUFFile(path: path)
        for stored in file.tensors.values where ![.int8, .int16, .int32, .int64].contains(stored.type) {
          #expect(try stored.read().count == stored.count)
        }
      } catch is CheckpointError {
        refused += 1
      }
    }
    #expect(refused > run.cases / 4 && refused < run.cases, "\(refused) of \(run.cases)")
    #expect(run.isBounded)
  }
}
