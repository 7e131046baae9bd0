import CommandLine
import Fuzzing
import Requests
import Testing
import segmoectl

/// Lines of JSON Lines, made at random: a request or a message, never a crash.
@Suite struct FuzzTests {
  @Test func fuzzedLinesGiveARequestOrAProblem() throws {
    let seed = Array(
      #"{"prompt": "a é", "steps": 4, "guidance": 1.5, "loras": ["a:0.5", {"path": "b", "weight": 1}], "scheduler": "ddim", "memory_budget": "2GiB", "embeddings": ["e:t"], "plain_prompt": true, "seed": 9, "crop": "0,8", "original_size": "64x64"}"#
        .utf8)
    let pieces = [
      "{", "}", "[", "]", "\"", ":", ",", "null", "-1", "1e400", "9223372036854775808", "\\ud800",
      "\"prompt\": ",
    ]
    var read = 0
    let run = try FuzzRun("jsonlines", cases: 2000) { _, numbers in
      var bytes = seed
      numbers.mutate(&bytes, pieces: pieces)
      do {
        _ = try PromptLine.parse(String(decoding: bytes, as: UTF8.self))
        read += 1
      } catch let problem as Problem {
        #expect(!problem.message.isEmpty)
      } catch let error as RequestError {
        #expect(!error.description.isEmpty)
      }
    }
    #expect(read > run.cases / 100 && read < run.cases, "\(read) of \(run.cases)")
    #expect(run.isBounded)
  }
}
