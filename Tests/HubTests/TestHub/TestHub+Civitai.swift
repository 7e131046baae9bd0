import Foundation
import TestSupport

/// A version of a model on CivitAI.
struct CivitaiVersion: Sendable {
  /// A file of it.
  struct File: Sendable {
    var bytes: [UInt8]
    var type = "Model"
    var format = "SafeTensor"
    var precision = "fp16"
    /// Whether the site has worked out its hash.
    var isHashed = true
  }

  var model = 1
  var files: [File] = []
  var needsToken = false
  /// Whether the site's interface shows it.
  var isListed = true
}

/// CivitAI's answers.
extension TestHub {
  /// Bytes that look like a safetensors file.
  static func safetensors(_ count: Int = 5000, seed: UInt64 = 7) -> [UInt8] {
    [2, 0, 0, 0, 0, 0, 0, 0, UInt8(ascii: "{"), UInt8(ascii: "}")] + PullHouse.noise(count, seed: seed)
  }

  func publish(version: Int, _ content: CivitaiVersion) {
    state.withLock { state in
      state.models[version] = content
      for file in content.files { state.objects[Self.hash(file.bytes)] = file.bytes }
    }
  }

  func civitaiAnswer(_ request: SeenRequest) -> CannedAnswer {
    let segments = request.path.split(separator: "/").map(String.init)
    guard request.method == "GET" else { return CannedAnswer(status: 401) }
    if segments.starts(with: ["api", "v1", "models"]) { return newest(Int(segments[3]) ?? 0) }
    guard let number = segments.last.flatMap({ Int($0) }), let version = state.withLock({ $0.models[number] })
    else {
      return .json(#"{"error":"Model not found"}"#, status: 404)
    }
    if segments.starts(with: ["api", "v1", "model-versions"]) {
      return version.isListed
        ? .json(listing(number, version)) : .json(#"{"error":"Model not found"}"#, status: 404)
    }
    if version.needsToken, !request.hasToken {
      return .json(
        #"{"error":"Unauthorized","message":"The creator of this asset requires you to be logged in"}"#,
        status: 401)
    }
    let query =
      request.target.split(separator: "?").dropFirst().first?.split(separator: "&").map(String.init) ?? []
    let fitting = version.files.enumerated().filter { index, file in
      query.allSatisfy { condition in
        [
          "type=\(file.type)", "format=\(file.format)", "fp=\(file.precision)",
          "fileId=\(number * 10 + index)",
        ]
        .contains(condition)
      }
    }
    guard let file = fitting.first?.element else { return .json(#"{"error":"File not found"}"#, status: 404) }
    let place = "\(civitaiStorage)/\(Self.hash(file.bytes))?signature=good"
    return CannedAnswer(status: 307, headers: ["Location": place])
  }

  private func newest(_ model: Int) -> CannedAnswer {
    let numbers = state.withLock { state in state.models.filter { $0.value.model == model }.keys.sorted(by: >)
    }
    return .json(
      #"{"id":\#(model),"modelVersions":[\#(numbers.map { #"{"id":\#($0)}"# }.joined(separator: ","))]}"#)
  }

  private func listing(_ number: Int, _ version: CivitaiVersion) -> String {
    let files = version.files.enumerated().map { index, file in
      let hash = file.isHashed ? #","hashes":{"SHA256":"\#(Self.hash(file.bytes).uppercased())"}"# : ""
      return #"{"id":\#(number * 10 + index),"name":"../evil.safetensors","type":"\#(file.type)","#
        + #""sizeKB":\#(Double(file.bytes.count) / 1024),"primary":\#(index == 0),"#
        + #""metadata":{"format":"\#(file.format)","size":"pruned","fp":"\#(file.precision)"}\#(hash)}"#
    }
    return #"{"id":\#(number),"modelId":\#(version.model),"files":[\#(files.joined(separator: ","))]}"#
  }

  func civitaiStorageAnswer(_ request: SeenRequest) -> CannedAnswer {
    if request.hasToken { return CannedAnswer(status: 400) }
    guard let bytes = state.withLock({ $0.objects[String(request.path.dropFirst())] }) else {
      return CannedAnswer(status: 404)
    }
    return Self.file(bytes, request, ["Content-Disposition": "attachment; filename=\"../../evil\""])
  }
}
