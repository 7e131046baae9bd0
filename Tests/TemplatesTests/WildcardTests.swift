import Foundation
import Templates
import TestSupport
import Testing

/// A folder of wildcards: names are its files, and nothing else of the machine is read.
@Suite struct WildcardTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder("w")
    try folder.write("w/colors.txt", [0xEF, 0xBB, 0xBF] + Array("red\r\n# no\r\n\r\n blue \r\nred\r\n".utf8))
    try folder.write("w/animals/cats.txt", "lion\ncat")
    try folder.write("w/animals/dogs.txt", "__animals/cats__ dog\n")
    try folder.write("w/.hidden.txt", "x")
    try folder.write("w/.git/config.txt", "x")
    try folder.write("w/notes.md", "x")
    try folder.write("secret.txt", "secret")
  }

  private func texts(_ template: String, limits: TemplateLimits = TemplateLimits()) throws -> [String] {
    var wildcards = Wildcards(folder: folder.file("w"), limits: limits)
    return try Array(TemplateCombinations(PromptTemplate(template).plan(&wildcards)))
  }

  private func fault(_ template: String, limits: TemplateLimits = TemplateLimits()) -> TemplateError? {
    do {
      _ = try texts(template, limits: limits)
      return nil
    } catch {
      return error as? TemplateError
    }
  }

  @Test func namesAreFilesBelowTheFolder() throws {
    #expect(
      try texts("a __colors__ __animals/cats__") == ["a blue cat", "a blue lion", "a red cat", "a red lion"])
    #expect(try texts("__animals/*__") == ["cat dog", "lion dog", "cat", "lion"])
    #expect(try texts("__[ac]*s__").count == 6)
    #expect(try texts("{1-2$$ and $$__animals/cats__}") == ["cat", "lion", "cat and lion", "lion and cat"])
    // Hidden files, other files and other folders are none.
    for name in [".hidden", "notes", "notes.md", ".git/config", "cats", "secret", "colors.txt"] {
      guard case .unknownWildcard? = fault("__\(name)__")?.fault else {
        Issue.record("\(name): \(String(describing: fault("__\(name)__")))")
        continue
      }
    }
    for name in ["../secret", "animals/../colors", "/etc/hostname", "./colors"] {
      #expect(fault("__\(name)__")?.fault == .badName(name))
    }
  }

  /// A template without wildcards needs no folder.
  @Test func theFolderIsReadWhenItIsNamed() throws {
    var wildcards = Wildcards(folder: folder.file("nowhere"))
    #expect(try Array(TemplateCombinations(PromptTemplate("{a|b}").plan(&wildcards))) == ["a", "b"])
    let template = try PromptTemplate("x __colors__")
    #expect(
      throws: TemplateError(
        .unreadable(folder.file("nowhere"), why: "No such file or directory"),
        at: TemplatePlace(column: 3))
    ) { try template.plan(&wildcards) }
  }

  @Test(arguments: ["w/link.txt", "w/animals/link.txt", "w/folder", "w/gone.txt"])
  func linksAreRefused(name: String) throws {
    let target = name == "w/folder" ? folder.path : folder.file(name == "w/gone.txt" ? "gone" : "secret.txt")
    try FileManager.default.createSymbolicLink(atPath: folder.file(name), withDestinationPath: target)
    #expect(fault("__colors__")?.fault == .link(folder.file(name)))
    #expect(fault("{a|b}") == nil)
  }

  /// Whoever has his folders elsewhere may have the folder itself behind a link.
  @Test func theFolderItselfMayBeALink() throws {
    try FileManager.default.createSymbolicLink(
      atPath: folder.file("l"), withDestinationPath: folder.file("w"))
    var wildcards = Wildcards(folder: folder.file("l"))
    #expect(
      try Array(TemplateCombinations(PromptTemplate("__colors__").plan(&wildcards))) == ["blue", "red"])
  }

  @Test func filesHaveLimits() throws {
    try folder.write("w/large.txt", String(repeating: "x\n", count: 1000))
    try folder.write("w/wrong.txt", Array("fine\n".utf8) + [0xFF, 0xFE])
    try folder.write("w/zero.txt", [0x61, 0, 0x62])
    try folder.write("w/a/b/c/d.txt", "x")
    var limits = TemplateLimits()
    limits.fileBytes = 1999
    #expect(fault("__large__") == nil)
    #expect(
      fault("__large__", limits: limits)?.fault
        == .largeFolder("\(folder.file("w/large.txt")) has more than 1999 bytes"))
    limits = TemplateLimits()
    limits.allBytes = 2005
    #expect(fault("__large__", limits: limits) == nil)
    #expect(fault("__animals/cats__ __large__", limits: limits) != nil)
    limits = TemplateLimits()
    limits.files = 5
    #expect(
      fault("__colors__", limits: limits)?.fault
        == .largeFolder("\(folder.file("w")) has more than 5 files and folders"))
    limits = TemplateLimits()
    limits.folderDepth = 2
    #expect(
      fault("__colors__", limits: limits)?.fault
        == .largeFolder("\(folder.file("w")) has folders more than 2 deep"))
    #expect(
      fault("__wrong__")
        == TemplateError(.notUTF8, at: TemplatePlace(file: folder.file("w/wrong.txt"), line: 2)))
    #expect(
      fault("__zero__")
        == TemplateError(.notUTF8, at: TemplatePlace(file: folder.file("w/zero.txt"), line: 1)))
  }

  /// A pipe does not keep the program waiting.
  @Test func onlyPlainFilesAreRead() throws {
    #expect(mkfifo(folder.file("w/pipe.txt"), 0o600) == 0)
    guard case .unknownWildcard? = fault("__pipe__")?.fault else {
      Issue.record("\(String(describing: fault("__pipe__")))")
      return
    }
  }
}
