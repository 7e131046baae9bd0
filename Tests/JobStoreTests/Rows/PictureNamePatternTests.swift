import JobStore
import Testing

/// Patterns for the names of pictures, and what comes out of them.
@Suite struct PictureNamePatternTests {
  private func stem(_ pattern: String, _ value: (PictureNamePattern.Field) -> String = { $0.rawValue }) throws
    -> String
  { try PictureNamePattern(pattern).stem(value) }

  @Test func fieldsStandForTheirValues() throws {
    #expect(try stem("{batch}/{job}-{index}-{seed}") == "batch/job-index-seed")
    #expect(try stem("x {batch_id}{prompt}.png") == "x batch_idprompt")
    #expect(try stem("plain") == "plain")
    let all = PictureNamePattern.Field.allCases.map { "{\($0.rawValue)}" }.joined(separator: "_")
    #expect(try stem(all) == PictureNamePattern.Field.allCases.map(\.rawValue).joined(separator: "_"))
  }

  @Test(arguments: [
    ("", "empty"), ("/abs", "below the output folder"), ("../x", "begin with a dot"),
    ("a/../b", "begin with a dot"),
    (".hidden", "begin with a dot"), ("a//b", "empty"), ("a/", "empty"), (".png", "empty"),
    ("{sede}", "did you mean 'seed'?"), ("{}", "batch_id"), ("{job", "pairs"), ("job}", "pairs"),
    ("{{job}}", "no field"), ("a\u{1B}b", "control characters"), ("a\nb", "control characters"),
    ("a\\b", "backslashes"), ("\u{202E}gnp", "control characters"), ("a/b/c/d/e/f/g/h/i", "8 parts"),
    (String(repeating: "é", count: 251), "500 bytes"),
  ])
  func whatIsNoPatternIsRefused(pattern: String, part: String) throws {
    let error = storeError { _ = try PictureNamePattern(pattern) }
    #expect("\(try #require(error))".contains(part), "\(String(describing: error))")
    let batch = storeError { try BatchRequest(namePattern: pattern).validate() }
    #expect(batch == error)
  }

  /// Whatever a row says: relative, nothing hidden, nothing above, no byte that a terminal obeys.
  @Test(arguments: [
    "", ".", "..", "...", "../../etc/passwd", "/etc/passwd", "a/b", " ", ".hidden", "\u{1B}[2J", "\0", "\n",
    "\u{202E}fox", "\u{2028}", "C:\\x", "~", "-rf", "\u{FEFF}", "e\u{301}",
    String(repeating: "😀", count: 1000), String(repeating: "/", count: 100_000),
    String(repeating: "x", count: 1_000_000),
  ])
  func whateverAValueIsTheNameIsSafe(value: String) throws {
    for pattern in [
      "{prompt}", "{batch}/{prompt}", "a-{prompt}/{prompt}b", "{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}",
    ] {
      let pattern = pattern.replacing(#/\{[a-h]\}/#, with: "{prompt}")
      let stem = try stem(pattern) { _ in value }
      let parts = stem.split(separator: "/", omittingEmptySubsequences: false)
      #expect(parts.count == pattern.split(separator: "/").count)
      for part in parts {
        #expect(!part.isEmpty && !part.hasPrefix(".") && part.utf8.count <= 200, "\(part)")
        #expect(part.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }, "\(part)")
      }
      #expect(stem.utf8.count <= 1000 + parts.count)
    }
  }

  @Test(arguments: [
    ("A Red FOX, (very:1.2) ../日本", "a-red-fox-very-1-2-日本"), ("", "untitled"), ("!?…", "untitled"),
    ("--x--", "x"), (String(repeating: "a", count: 1_000_000), String(repeating: "a", count: 60)),
  ])
  func aPromptBecomesWordsWithDashes(prompt: String, slug: String) {
    #expect(PictureNamePattern.slug(prompt) == slug)
  }

  @Test func theBatchKeepsIt() throws {
    let queue = try TestQueue()
    _ = try queue.client.enqueue(BatchRequest(namePattern: "{job}"), requests: [request("a")])
    try queue.enqueue("b")
    #expect(try queue.client.details(job: 1).job.namePattern == "{job}")
    #expect(try queue.client.details(job: 2).job.namePattern == nil)
    #expect(
      storeError {
        _ = try queue.client.enqueue(BatchRequest(namePattern: "{jobb}"), requests: [request("c")])
      }
        != nil)
    #expect(try queue.client.list().count == 2)
  }
}
