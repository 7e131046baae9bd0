import Images
import Testing

@Suite struct A1111ParametersTests {
  func parameters(_ prompt: String, negative: String = "") -> A1111Parameters {
    A1111Parameters(
      prompt: prompt, negativePrompt: negative, steps: 25, sampler: "DDIM", cfgScale: 7.5, seed: .max,
      width: 512, height: 768, modelHash: "45dee52b", model: "demo", version: "segmoe 0.1.0")
  }

  @Test func theFormThatReadersKnow() throws {
    #expect(
      try parameters("a red heart", negative: "blurry, grey").text() == """
        a red heart
        Negative prompt: blurry, grey
        Steps: 25, Sampler: DDIM, CFG scale: 7.5, Seed: 18446744073709551615, Size: 512x768, \
        Model hash: 45dee52b, Model: demo, Version: segmoe 0.1.0
        """)
    var plain = parameters("cat")
    plain.modelHash = nil
    plain.model = nil
    plain.version = nil
    plain.cfgScale = 7
    plain.seed = 5
    #expect(try plain.text() == "cat\nSteps: 25, Sampler: DDIM, CFG scale: 7, Seed: 5, Size: 512x768")
    #expect(try plain.pngText().keyword == "parameters")
  }

  @Test(arguments: [
    "plain", "a, b", "key: value", "two\nlines", "\"quoted\"", "a \"b\", c\\d", " spaces ", "tab\there",
    "ünï 日本 🐈, x", "back\\slash", "\u{1},\u{7F}", "ends with quote\"", "e\u{301}, x",
  ])
  func valuesComeBack(value: String) throws {
    var written = parameters("cat")
    written.model = value
    written.extra = [.init("LoRA/weights-1", value), .init("Empty", "")]
    let read = A1111Reader(try written.text())
    #expect(read.settings["Model"] == value)
    #expect(read.settings["LoRA/weights-1"] == value)
    #expect(read.settings["Empty"] == nil)
    #expect(read.settings["Steps"] == "25")
    #expect(read.settings["Version"] == "segmoe 0.1.0")
    #expect(read.prompt == "cat")
  }

  @Test func promptsOfManyLinesComeBack() throws {
    let read = A1111Reader(try parameters("one: 1, two: 2, three: 3\nfour", negative: "a\nb").text())
    #expect(read.prompt == "one: 1, two: 2, three: 3\nfour")
    #expect(read.negativePrompt == "a\nb")
    #expect(read.settings["Size"] == "512x768")
    #expect(read.settings["one"] == nil)
    #expect(A1111Reader(try parameters("").text()).prompt == "")
  }

  @Test func aTextWithoutSettingsIsAllPrompt() {
    let read = A1111Reader("a cat\nSteps: 3, Seed: 4")
    #expect(read.prompt == "a cat\nSteps: 3, Seed: 4" && read.settings.isEmpty)
    #expect(A1111Reader("").prompt == "")
  }

  @Test(arguments: ["", "a", "a:b", "a,b", " ab", "ab ", "-ab", "a\nb"])
  func keysThatNoReaderKnowsAreRefused(key: String) {
    var written = parameters("cat")
    written.extra = [.init(key, "x")]
    #expect(throws: ImageError.self) { try written.text() }
  }
}
