import Foundation
import TestSupport
import Testing

/// Pages whose commands are all run, with what they print. They need SQLite's shell, as their readers do.
@Suite struct PageTests {
  private static let hasShell = access("/usr/bin/sqlite3", X_OK) == 0 || access("/bin/sqlite3", X_OK) == 0

  /// - Parameters:
  ///   - name: the page.
  ///   - exceptions: how many of its blocks are not run.
  ///   - least: commands that it has at least, so that a page which nobody understands is noticed.
  @Test(
    .enabled(if: hasShell), .enabled(if: ProcessInfo.processInfo.environment["SEGMOE_SANITIZER"] == nil),
    arguments: [("tutorial.md", 0, 30), ("recipes.md", 1, 30)])
  func everyCommandDoesWhatThePageSays(name: String, exceptions: Int, least: Int) throws {
    let page = try Page(String(contentsOfFile: Places.inRepository("docs/" + name), encoding: .utf8))
    #expect(page.exceptions.count == exceptions)
    #expect(page.commands.count >= least)
    let results = try page.run()
    #expect(
      results.count == page.commands.count,
      "it ends before \(page.commands[results.count % page.commands.count])")
    for (command, result) in zip(page.commands, results) {
      #expect(command.prints(result.output), "\(command) prints \(result.output)")
      if !command.isMistake {
        #expect(result.code == 0, "\(command) ends with \(result.code): \(result.output)")
      }
    }
  }

  @Test func aPageIsReadAsAPersonReadsIt() throws {
    let page = try Page(
      """
      ```
      $ cat >x <<'END'
      $ no command
      END
      $ echo 'a
      b' \\
        c
      a
      b c
      ```
      <!-- not run: no hub -->
      ```
      $ reboot
      ```
      1. In a list

         ```
         $ echo 1
         …
         ```
      """)
    #expect(
      page.commands.map(\.text) == ["cat >x <<'END'\n$ no command\nEND", "echo 'a\nb' \\\n  c", "echo 1"])
    #expect(page.commands.map(\.output) == [[], ["a", "b c"], ["…"]])
    #expect(page.exceptions == ["no hub"])
    #expect(throws: Page.Malformed.self) { try Page("```\nno command\n```\n") }
  }

  @Test(arguments: [
    (["a"], "a\n", true), (["a"], "b\n", false), (["…"], "", true), (["…", "z"], "a\nb\nz\n", true),
    (["…", "z"], "a\nz\nb\n", false), (["a…c"], "abc\n", true), (["a…c"], "ab\n", false), ([], "", true),
    ([], "x\n", false), (["…/1.png", "…"], "/x/1.png\n", true), (["a…a"], "a\n", false),
    (["segmoectl: x…y…z"], "segmoectl: x1y2z\n", true), (["x…y…z"], "xyaz", true), (["x…q…z"], "xyaz", false),
  ]) func anEllipsisStandsForAnything(shown: [String], text: String, fits: Bool) {
    #expect(Page.Command(text: "", output: shown).prints(text) == fits)
  }
}
