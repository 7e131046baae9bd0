import Checkpoints
import Foundation
import Fuzzing
import Tensors
import TestSupport
import Testing

@Suite struct SafetensorsFileTests {
  @Test func readsEveryFloatType() throws {
    let folder = try TemporaryFolder()
    let header = """
      {"__metadata__":{"format":"pt"},"half":{"dtype":"F16","shape":[2,2],"data_offsets":[0,8]},\
      "brain":{"dtype":"BF16","shape":[3],"data_offsets":[8,14]},\
      "single":{"dtype":"F32","shape":[],"data_offsets":[14,18]},\
      "double":{"dtype":"F64","shape":[1,1],"data_offsets":[18,26]},\
      "ids":{"dtype":"I64","shape":[0,7],"data_offsets":[26,26]}}
      """
    let data: [UInt8] =
      [0x00, 0x3c, 0x00, 0xc0, 0x01, 0x00, 0xff, 0x7b, 0x80, 0x3f, 0x20, 0xc1, 0x80, 0x7f]
      + littleEndian([0.1])
      + withUnsafeBytes(of: (-2.5).bitPattern.littleEndian, Array.init)
    let file = try SafetensorsFile(
      path: folder.write("a.safetensors", safetensors(header: header, data: data)))
    #expect(Set(file.names) == ["half", "brain", "single", "double", "ids"])
    #expect(file.metadata == ["format": "pt"])
    #expect(try file["half"]?.read().values == [1, -2, 0x1p-24, 65504])
    #expect(try file["half"]?.read().shape == [2, 2])
    #expect(try file["brain"]?.read().values == [1, -10, .infinity])
    #expect(try file["single"]?.read().values == [0.1])
    #expect(try file["double"]?.read().values == [-2.5])
    #expect(file["half"]?.type == .float16)
    #expect(file["double"]?.type == .float64)
    #expect(file["none"] == nil)
    let path = file.path
    #expect(throws: CheckpointError.unreadableType(name: "ids", path: path, type: "I64")) {
      try file["ids"]?.read()
    }
  }

  @Test func readsPartsAcrossChunks() throws {
    let folder = try TemporaryFolder()
    let count = 20_011
    let halves = (0..<count).flatMap { withUnsafeBytes(of: UInt16($0 & 0x7bff).littleEndian, Array.init) }
    let header = #"{"a":{"dtype":"F16","shape":[\#(count)],"data_offsets":[0,\#(2 * count)]}}"#
    let file = try SafetensorsFile(
      path: folder.write("a.safetensors", safetensors(header: header, data: halves)))
    let stored = try #require(file["a"])
    let whole = try stored.read().values
    #expect(whole[15_000] == Float(Float16(bitPattern: 15_000)))
    for range in [0..<count, 0..<0, 8191..<8193, 3..<17_000, (count - 1)..<count] {
      var part = [Float](repeating: .nan, count: range.count)
      try part.withUnsafeMutableBufferPointer { try stored.read(into: $0, elements: range) }
      #expect(part == Array(whole[range]))
    }
    var bytes = [UInt8](repeating: 0, count: 10)
    try bytes.withUnsafeMutableBytes { try stored.readBytes(into: $0, range: 7..<17) }
    #expect(bytes == Array(halves[7..<17]))
  }

  @Test func viewsTakeTensorsApart() throws {
    let folder = try TemporaryFolder()
    let file = try SafetensorsFile(
      path: folder.write("a.safetensors", tensors: ["m": TestTensor([3, 2], [1, 2, 3, 4, 5, 6])]))
    let stored = try #require(file["m"])
    #expect(try stored.rows(1..<3)?.read().values == [3, 4, 5, 6])
    #expect(stored.rows(1..<3)?.shape == [2, 2])
    #expect(stored.rows(2..<4) == nil)
    #expect(try stored.transposed?.read().values == [1, 3, 5, 2, 4, 6])
    #expect(stored.transposed?.shape == [2, 3])
    #expect(try stored.rows(1..<3)?.transposed?.read().values == [3, 5, 4, 6])
    #expect(stored.reshaped([6, 1])?.shape == [6, 1])
    #expect(stored.reshaped([7]) == nil)
    #expect(stored.renamed("n").name == "n")
    var byte: [UInt8] = [0]
    #expect(throws: CheckpointError.notRaw(name: "m", path: file.path)) {
      try byte.withUnsafeMutableBytes { try stored.transposed?.readBytes(into: $0, range: 0..<1) }
    }
  }

  // MARK: Hostile files

  struct Hostile: CustomTestStringConvertible, Sendable {
    let what: String
    let bytes: [UInt8]
    /// A word of the message: the right reason, not just any.
    let reason: String
    var testDescription: String { what }

    init(_ what: String, header: String, data: Int = 4, _ reason: String) {
      self.init(what, bytes: safetensors(header: header, data: [UInt8](repeating: 0, count: data)), reason)
    }

    init(_ what: String, bytes: [UInt8], _ reason: String) {
      (self.what, self.bytes, self.reason) = (what, bytes, reason)
    }
  }

  static func entry(_ shape: String, _ offsets: String, dtype: String = "F32") -> String {
    #"{"dtype":"\#(dtype)","shape":\#(shape),"data_offsets":\#(offsets)}"#
  }

  static let deep = String(repeating: "[", count: 100_000)
  static let hostile: [Hostile] = [
    Hostile("empty", bytes: [], "bytes long"),
    Hostile("seven bytes", bytes: [1, 0, 0, 0, 0, 0, 0], "bytes long"),
    Hostile("header length over all bounds", bytes: [UInt8](repeating: 0xff, count: 8) + [0x7b], "header of"),
    Hostile(
      "header of 200 MB", bytes: [0, 0xc2, 0xeb, 0x0b, 0, 0, 0, 0] + [0x7b, 0x7d], "header of 200000000"),
    Hostile("header longer than the file", bytes: [100, 0, 0, 0, 0, 0, 0, 0] + [0x7b, 0x7d], "cut short"),
    Hostile("header of no length", bytes: [0, 0, 0, 0, 0, 0, 0, 0], "begin with"),
    Hostile("not an object", header: "[]", data: 0, "begin with"),
    Hostile("white space first", header: " {}", data: 0, "begin with"),
    Hostile("text after the end", header: "{}{}", data: 0, "after the end"),
    Hostile("cut JSON", header: #"{"a":{"dtype":"F32","#, "expected"),
    Hostile("trailing comma", header: #"{"a":\#(entry("[1]", "[0,4]")),}"#, "expected"),
    Hostile("nesting bomb", header: #"{"a":\#(deep)"#, "expected '{'"),
    Hostile("nesting bomb in a shape", header: #"{"a":{"shape":\#(deep)"#, "whole"),
    Hostile("nesting bomb in metadata", header: #"{"__metadata__":{"a":\#(deep)"#, "expected"),
    Hostile(
      "not UTF-8", bytes: safetensors(header: "{\"", data: []).dropLast(2) + [0x7b, 0x22, 0xff, 0x22],
      "cut|string|expected|UTF-8"),
    Hostile("half a surrogate", header: #"{"\ud800":\#(entry("[1]", "[0,4]"))}"#, "surrogate"),
    Hostile("control character", header: "{\"a\u{1}\":\(entry("[1]", "[0,4]"))}", "control"),
    Hostile("unknown dtype", header: #"{"a":\#(entry("[1]", "[0,4]", dtype: "F33"))}"#, "unknown dtype"),
    Hostile("dtype as a number", header: #"{"a":{"dtype":1,"shape":[1],"data_offsets":[0,4]}}"#, "expected"),
    Hostile("negative shape", header: #"{"a":\#(entry("[-1]", "[0,4]"))}"#, "negative"),
    Hostile("negative offset", header: #"{"a":\#(entry("[1]", "[-4,0]"))}"#, "negative"),
    Hostile("fraction in a shape", header: #"{"a":\#(entry("[1.0]", "[0,4]"))}"#, "whole"),
    Hostile("exponent in a shape", header: #"{"a":\#(entry("[1e0]", "[0,4]"))}"#, "whole"),
    Hostile("number beyond 64 bits", header: #"{"a":\#(entry("[99999999999999999999]", "[0,4]"))}"#, "whole"),
    Hostile(
      "shape that overflows", header: #"{"a":\#(entry("[4294967296,4294967296]", "[0,4]"))}"#, "impossible"),
    Hostile(
      "overflow to the right length", header: #"{"a":\#(entry("[4611686018427387905]", "[0,4]"))}"#,
      "impossible"),
    Hostile(
      "overflow hidden behind a zero", header: #"{"a":\#(entry("[0,4294967296,4294967296]", "[0,0]"))}"#,
      data: 0, "impossible"),
    Hostile(
      "a thousand axes", header: #"{"a":\#(entry("[\(String(repeating: "1,", count: 1000))1]", "[0,4]"))}"#,
      "more than 32"),
    Hostile("too few bytes for its shape", header: #"{"a":\#(entry("[2]", "[0,4]"))}"#, "needs 8"),
    Hostile("too many bytes for its shape", header: #"{"a":\#(entry("[1]", "[0,8]"))}"#, data: 8, "needs 4"),
    Hostile("ends before it begins", header: #"{"a":\#(entry("[1]", "[4,0]"))}"#, "before it begins"),
    Hostile("beyond the file", header: #"{"a":\#(entry("[1]", "[0,4]"))}"#, data: 3, "cut short"),
    Hostile("bytes left over", header: #"{"a":\#(entry("[1]", "[0,4]"))}"#, data: 5, "follow the last"),
    Hostile("hole before the first", header: #"{"a":\#(entry("[1]", "[4,8]"))}"#, data: 8, "hole"),
    Hostile(
      "hole between", header: #"{"a":\#(entry("[1]", "[0,4]")),"b":\#(entry("[1]", "[8,12]"))}"#, data: 12,
      "hole"),
    Hostile(
      "overlap", header: #"{"a":\#(entry("[2]", "[0,8]")),"b":\#(entry("[2]", "[4,12]"))}"#, data: 12,
      "overlaps"),
    Hostile(
      "two at one place", header: #"{"a":\#(entry("[1]", "[0,4]")),"b":\#(entry("[1]", "[0,4]"))}"#,
      "overlaps"),
    Hostile(
      "one name twice", header: #"{"a":\#(entry("[1]", "[0,4]")),"a":\#(entry("[1]", "[4,8]"))}"#, data: 8,
      "twice"),
    Hostile(
      "one name twice, escaped",
      header: #"{"a":\#(entry("[1]", "[0,4]")),"\u0061":\#(entry("[1]", "[4,8]"))}"#, data: 8, "twice"),
    Hostile(
      "one member twice", header: #"{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
      "twice"),
    Hostile(
      "unknown member", header: #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}}"#, "unknown"),
    Hostile("no dtype", header: #"{"a":{"shape":[1],"data_offsets":[0,4]}}"#, "lacks"),
    Hostile("one offset", header: #"{"a":\#(entry("[1]", "[0]"))}"#, "lacks"),
    Hostile("metadata twice", header: #"{"__metadata__":{},"__metadata__":{}}"#, data: 0, "twice"),
    Hostile("metadata not a text", header: #"{"__metadata__":{"a":1}}"#, data: 0, "expected"),
    Hostile("part of a byte", header: #"{"a":\#(entry("[1]", "[0,1]", dtype: "F4"))}"#, data: 1, "needs"),
  ]

  @Test(arguments: hostile) func refusesHostileFiles(_ hostile: Hostile) throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("bad.safetensors", hostile.bytes)
    let error = #expect(throws: CheckpointError.self) { try SafetensorsFile(path: path) }
    guard case .malformed(path, let reason) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(hostile.reason.split(separator: "|").contains { reason.contains($0) }, "\(reason)")
  }

  @Test func everyCutIsNoticed() throws {
    let folder = try TemporaryFolder()
    let whole = safetensors(["a": TestTensor([2, 2], seed: 1), "b": TestTensor([3], seed: 2)])
    _ = try SafetensorsFile(path: folder.write("a.safetensors", whole))
    for length in 0..<whole.count {
      let path = try folder.write("a.safetensors", Array(whole[..<length]))
      #expect(throws: CheckpointError.self, "\(length) bytes") { try SafetensorsFile(path: path) }
    }
  }

  /// Bytes changed at random: an error or a file whose every tensor can be read, never a crash.
  @Test func fuzzedFilesNeverCrash() throws {
    let folder = try TemporaryFolder()
    let whole = safetensors(
      ["a": TestTensor([2, 2], seed: 1), "b": TestTensor([3], seed: 2)], metadata: ["k": "v"])
    let pieces = [
      "0", "9", "-", "[", "]", "{", "}", ",", ":", "\"", "F16", "1e9", "18446744073709551615", "\\u0000",
    ]
    var refused = 0
    let run = try FuzzRun("safetensors", cases: 3000) { _, numbers in
      var bytes = whole
      numbers.mutate(&bytes, most: 3, pieces: pieces)
      let path = try folder.write("a.safetensors", bytes)
      do {
        let file = try SafetensorsFile(path: path)
        for name in file.names where [.float32, .float16, .bfloat16].contains(file[name]?.type) {
          #expect(try file[name]?.read().count == file[name]?.count)
        }
      } catch is CheckpointError {
        refused += 1
      }
    }
    #expect(refused > run.cases / 2 && run.isBounded)
  }

  // MARK: Files that change

  @Test func aChangedFileIsAnError() throws {
    let folder = try TemporaryFolder()
    let bytes = safetensors(["a": TestTensor([64], seed: 1)])
    let path = try folder.write("a.safetensors", bytes)
    let file = try SafetensorsFile(path: path)
    try file.verifyUnchanged()
    #expect(truncate(path, off_t(bytes.count - 100)) == 0)
    #expect(throws: CheckpointError.changed(path: path)) { try file["a"]?.read() }
    #expect(throws: CheckpointError.changed(path: path)) { try file.verifyUnchanged() }
  }

  /// Nor does it help to set the time back.
  @Test func aFileWrittenOverWithItsTimePutBackIsNoticed() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("a.safetensors", tensors: ["a": TestTensor([4], seed: 1)])
    let file = try SafetensorsFile(path: path)
    var before = stat()
    #expect(stat(path, &before) == 0)
    let descriptor = open(path, O_WRONLY)
    #expect(pwrite(descriptor, [1, 2, 3, 4] as [UInt8], 4, before.st_size - 4) == 4)
    #expect(futimens(descriptor, [before.st_atim, before.st_mtim]) == 0)
    close(descriptor)
    #expect(throws: CheckpointError.changed(path: path)) { try file["a"]?.read() }
    #expect(throws: CheckpointError.changed(path: path)) { try file.verifyUnchanged() }
  }

  /// A link more, other rights: the content is what it was.
  @Test func aFileWhoseEntryChangesIsTheSame() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("a.safetensors", tensors: ["a": TestTensor([4], seed: 1)])
    let file = try SafetensorsFile(path: path)
    #expect(link(path, folder.path + "/b") == 0 && chmod(path, 0o400) == 0)
    _ = try file["a"]?.read()
    try file.verifyUnchanged()
  }

  @Test func aReplacedFileIsNoticedWhenAsked() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("a.safetensors", tensors: ["a": TestTensor([4], seed: 1)])
    let file = try SafetensorsFile(path: path)
    let values = try file["a"]?.read().values
    let other = try folder.write("b.safetensors", tensors: ["a": TestTensor([4], seed: 2)])
    #expect(rename(other, path) == 0)
    // The open file is still the old one; only the name leads elsewhere.
    #expect(try file["a"]?.read().values == values)
    #expect(throws: CheckpointError.changed(path: path)) { try file.verifyUnchanged() }
  }

  @Test func onlyRegularFilesAreOpened() throws {
    let folder = try TemporaryFolder()
    let pipe = folder.path + "/pipe.safetensors"
    #expect(mkfifo(pipe, 0o600) == 0)
    for path in [pipe, folder.path, "/dev/zero"] {
      #expect(throws: CheckpointError.unreadable(path: path, reason: "not a regular file")) {
        try SafetensorsFile(path: path)
      }
    }
    let missing = folder.path + "/none.safetensors"
    #expect(throws: CheckpointError.missingFile(path: missing, purpose: "a safetensors file")) {
      try SafetensorsFile(path: missing)
    }
  }
}
