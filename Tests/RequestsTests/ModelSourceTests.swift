import Requests
import Testing

struct ModelSourceTests {
  @Test(arguments: [
    ("segmind/SegMoE-4x2-v0", "segmind/SegMoE-4x2-v0"),
    ("  segmind/small-sd  ", "segmind/small-sd"),
    ("a/b@refs/pr/1", "a/b@refs/pr/1"),
    ("hf://a/b@v1", "a/b@v1"),
    ("https://huggingface.co/a/b", "a/b"),
    ("https://huggingface.co/a/b/tree/v1.0", "a/b@v1.0"),
    (
      "https://hf.co/a/b/resolve/main/c/d.safetensors?download=true",
      "https://huggingface.co/a/b/blob/main/c/d.safetensors"
    ),
    ("a/b/c.safetensors", "https://huggingface.co/a/b/blob/main/c.safetensors"),
    ("https://civitai.com/api/download/models/239306", "https://civitai.com/api/download/models/239306"),
    (
      "https://civitai.com/api/download/models/1?type=Model&format=SafeTensor&token=secret",
      "https://civitai.com/api/download/models/1?type=Model&format=SafeTensor"
    ),
    (
      "https://civitai.com/models/43331/majicmix?modelVersionId=176425",
      "https://civitai.com/api/download/models/176425"
    ),
    ("https://www.civitai.com/models/43331", "https://civitai.com/models/43331"),
    ("urn:air:sd1:checkpoint:civitai:4384@128713", "https://civitai.com/api/download/models/128713"),
  ])
  func remote(text: String, written: String) throws {
    let source = try ModelSource(text) { _ in false }
    #expect(source.isRemote)
    #expect("\(source)" == written)
  }

  @Test(arguments: ["./a/b", "/a/b", "../x", "model", "a/b.safetensors", "~/a/b", "a/b/c", ""])
  func paths(text: String) throws {
    #expect(try ModelSource(text) { _ in false } == .path(text))
  }

  @Test func aPathThatIsThereWins() throws {
    #expect(try ModelSource("a/b") { $0 == "a/b" } == .path("a/b"))
  }

  @Test(arguments: [
    "https://example.org/model.safetensors", "https://huggingface.co/datasets/a/b",
    "https://huggingface.co/a",
    "a/b@..", "a--b/c", "a/b.git", "https://civitai.com/articles/1",
    "https://huggingface.co/a/b/raw/main/x.safetensors",
    "https://civitai.com/api/download/models/1?token=geheim&what=1",
  ])
  func refused(text: String) {
    let error = #expect(throws: SourceError.self) { try ModelSource(text) { _ in false } }
    #expect(error.map { !"\($0)".contains("geheim") } ?? false)
  }
}
