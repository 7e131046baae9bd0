import Requests
import Testing

/// Names of what lies in a shared place.
@Suite struct SharedNameTests {
  private static let digest = String(repeating: "0a", count: 32)

  @Test(arguments: [
    ("sha256:\(digest)/robot.safetensors", SharedName.Kind.file, "robot.safetensors"),
    ("tree:\(digest)/taesd", .tree, "taesd"),
    ("tree:\(digest)/part/adapter_model.safetensors", .tree, "part/adapter_model.safetensors"),
    ("sha256:\(digest)/mit Leerzeichen und ü.png", .file, "mit Leerzeichen und ü.png"),
  ])
  func aNameIsReadAndWritten(text: String, kind: SharedName.Kind, path: String) throws {
    let name = try #require(SharedName(text))
    #expect(name.kind == kind && name.digest == Self.digest && name.path == path)
    #expect("\(name)" == text)
    // Neither is taken for a model of a hub.
    #expect(ModelSource.remote(text) == nil)
  }

  @Test(arguments: [
    "", "sha256:", "sha256:\(digest)", "sha256:\(digest)/", "sha256:\(digest)/a/b", "sha256:\(digest)/..",
    "tree:\(digest)/../x", "tree:\(digest)/a/../../x", "tree:\(digest)//x", "tree:\(digest)/a/./b",
    "tree:\(digest)/a/", "sha256:\(digest)0/x", "sha256:\(digest.dropLast())/x",
    "sha256:\(digest.uppercased())/x", "sha256:../../etc/x/y", "sha1:\(digest)/x", "md5:\(digest)/x",
    "sha256:\(digest)/../\u{301}x", "tree:\(digest)/../\u{301}x", "sha256:\(digest)/a\u{600}/b",
    "/sha256:\(digest)/x", "sha256:\(digest)/a\u{1B}[2J", "sha256:\(digest)/a\0b", "sha256:\(digest)/a\\b",
    "sha256:\(digest)/\(String(repeating: "a", count: 300))",
  ])
  func anythingElseIsNone(text: String) { #expect(SharedName(text) == nil) }

  @Test(arguments: ["demo", "SegMoE-4x2_v0.1", "4x2", String(repeating: "a", count: 100)])
  func aPersonsName(name: String) throws {
    let alias = try #require(SharedAlias("shared:\(name)"))
    #expect(alias.name == name && "\(alias)" == "shared:\(name)" && SharedAlias(name: name) == alias)
    #expect(ModelSource.remote("shared:\(name)") == nil && SharedName("shared:\(name)") == nil)
    #expect(
      LoRAReference(text: "shared:\(name):0.8") == LoRAReference(path: "shared:\(name)", weight: 0.8))
  }

  @Test(arguments: [
    "", "..", ".x", "-x", "a/b", "a b", "ü", "a\n", "a:b", String(repeating: "a", count: 101), "a\u{301}",
  ])
  func noPersonsName(name: String) {
    #expect(SharedAlias(name: name) == nil && SharedAlias("shared:\(name)") == nil)
    #expect(SharedAlias(name) == nil)
  }

  /// The forms of LoRAs and embeddings split their texts at the last colon.
  @Test func listsTakeItApartRightly() {
    let lora = LoRAReference(text: "sha256:\(Self.digest)/robot.safetensors:0.8")
    #expect(lora == LoRAReference(path: "sha256:\(Self.digest)/robot.safetensors", weight: 0.8))
    let plain = LoRAReference(text: "sha256:\(Self.digest)/robot.safetensors")
    #expect(plain == LoRAReference(path: "sha256:\(Self.digest)/robot.safetensors"))
    let word = EmbeddingReference(text: "tree:\(Self.digest)/words")
    #expect(word == EmbeddingReference(path: "tree:\(Self.digest)/words"))
    let token = EmbeddingReference(text: "sha256:\(Self.digest)/w.safetensors:<cat>")
    #expect(token == EmbeddingReference(path: "sha256:\(Self.digest)/w.safetensors", token: "<cat>"))
  }
}
