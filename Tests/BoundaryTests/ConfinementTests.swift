import Boundary
import Foundation
import Synchronization
import TestSupport
import Testing

/// Files of other people are opened in the folders that were allowed, or not at all.
@Suite struct ConfinementTests {
  /// `models` and `more` are allowed, `secret` is not.
  private final class House: Sendable {
    private let folder: TemporaryFolder
    var root: String { folder.path }

    init() throws {
      folder = try TemporaryFolder()
      try write("models/tiny/unet/config.json", "unet")
      try write("models/file", "file")
      try write("more/big/file", "big")
      try write("models2/file", "secret")
      try write("secret/file", "secret")
      try write("secret/unet/config.json", "secret")
    }

    func write(_ name: String, _ text: String) throws { try folder.write(name, text) }

    /// A link; `ROOT` in where it leads stands for the root.
    func link(_ name: String, _ target: String) throws {
      try FileManager.default.createSymbolicLink(
        atPath: root + "/" + name, withDestinationPath: target.replacing("ROOT", with: root))
    }

    var confinement: Confinement { Confinement(folders: [root + "/models", root + "/more"]) }

    /// What a file holds.
    func read(_ name: String, _ confinement: Confinement) throws -> String {
      let found = try confinement.open(name.hasPrefix("/") ? name : root + "/" + name)
      let isRegular = found.isRegular
      try #require(isRegular)
      let descriptor = found.take()
      defer { close(descriptor) }
      var bytes = [UInt8](repeating: 0, count: 100)
      return String(decoding: bytes[..<max(0, Glibc.read(descriptor, &bytes, bytes.count))], as: UTF8.self)
    }
  }

  @Test(arguments: [
    ("models/file", "file"), ("models/tiny/unet/config.json", "unet"),
    ("models//tiny/./unet/config.json", "unet"),
    ("models/tiny/../file", "file"), ("models/../models/file", "file"), ("models/../more/big/file", "big"),
    ("models/near", "file"), ("models/far", "big"), ("models/up", "big"),
    ("models/folder/config.json", "unet"),
    ("models/folder/../../file", "file"), ("models/chain", "big"), ("alias/file", "file"),
    ("more/big/file", "big"),
  ])
  func withinTheFoldersEveryWayIsOpen(path: String, text: String) throws {
    let house = try House()
    try house.link("models/near", "tiny/../file")
    try house.link("models/far", "ROOT/more/big/file")
    try house.link("models/up", "../more/big/file")
    try house.link("models/folder", "ROOT/models/tiny/unet")
    try house.link("models/chain", "far")
    try house.link("alias", "models")
    #expect(try house.read(path, house.confinement) == text)
    // The same file, whichever way it was reached.
    let real = try house.confinement.look(house.root + "/" + path).path
    #expect(real.hasPrefix(house.root + "/mo") && !real.contains("/.."))
    #expect(try house.read(real, house.confinement) == text)
  }

  @Test(arguments: [
    "secret/file", "models2/file", "models/../secret/file", "models/tiny/../../secret/file", "/etc/passwd",
    "/",
    "models/absolute", "models/relative", "models/root/etc/passwd", "models/root", "models/chain",
    "models/deep/file",
    "models/folder/../file", "out/file", "models/proc/self/root/etc/passwd", "models/gone", "secret/gone",
    "gone",
    "models/gone/below", "models/sibling",
    // The slash is part of a character, as with a sign that joins what comes after it, or a mark that joins what is before.
    "models/L\u{600}/file", "models/../\u{301}x", "models/slash",
  ])
  func outsideNothingIsLookedAt(path: String) throws {
    let house = try House()
    try house.link("models/absolute", "ROOT/secret/file")
    try house.link("models/relative", "../secret/file")
    try house.link("models/root", "/")
    try house.link("models/chain", "absolute")
    try house.link("models/tiny/deep", "../../secret")
    try house.link("models/deep", "tiny/deep")
    try house.link("models/folder", "ROOT/secret/unet")
    try house.link("models/proc", "/proc")
    try house.link("models/gone", "ROOT/secret/gone")
    try house.link("models/sibling", "ROOT/models2/file")
    try house.link("out", "secret")
    try house.link("models/L\u{600}", "ROOT/secret")
    try house.write("\u{301}x", "secret")
    try house.link("models/slash", "/\u{301}x")
    let path = path.hasPrefix("/") ? path : house.root + "/" + path
    // The same error whether or not something is there.
    #expect(throws: OpenFailure.outside) { try house.confinement.open(path).isFolder }
    #expect(throws: OpenFailure.outside) { try house.confinement.look(path).isFolder }
    #expect(throws: OpenFailure.outside) { try house.confinement.names(in: path) }
    #expect(!house.confinement.has(path))
  }

  @Test func whatIsMissingOrOddIsNamedByTheSystem() throws {
    let house = try House()
    try house.link("models/circle", "circle")
    try house.link("models/nowhere", "tiny/nowhere")
    #expect(mkfifo(house.root + "/models/pipe", 0o600) == 0)
    for (name, code) in [
      ("gone", ENOENT), ("nowhere", ENOENT), ("file/below", ENOTDIR), ("circle", ELOOP),
      (String(repeating: "a/", count: 100), ENAMETOOLONG),
    ] {
      #expect(throws: OpenFailure.refused(code), "\(name)") {
        try house.confinement.open(house.root + "/models/" + name).isFolder
      }
    }
    // Nobody writes to it, and nobody waits.
    let isRegular = try house.confinement.open(house.root + "/models/pipe").isRegular
    #expect(!isRegular)
    #expect(throws: OpenFailure.outside) { try house.confinement.open(house.root + "/models/a\0b").isFolder }
    let names = try house.confinement.names(in: house.root + "/models", limit: 2)
    #expect(names.count == 3)
  }

  @Test func withoutFoldersEverythingIsOpen() throws {
    let house = try House()
    #expect(try house.read("secret/file", .none) == "secret")
    #expect(Confinement.none.has("/etc") && !Confinement.none.has(house.root + "/gone"))
  }

  @Test func anotherFileInTheSamePlaceIsNoticed() throws {
    let house = try House()
    let file = house.root + "/models/file"
    let known = house.confinement.only([try house.confinement.look(file).identity])
    #expect(try house.read(file, known) == "file")
    #expect(throws: OpenFailure.exchanged) { try known.open(house.root + "/more/big/file").isFolder }
    try FileManager.default.removeItem(atPath: file)
    try house.write("models/file", "file")
    #expect(throws: OpenFailure.exchanged) { try known.open(file).isFolder }
  }

  /// Somebody exchanges a folder for a link to the outside and back, again and again, while it is read.
  @Test func aRaceWithALinkIsNeverLost() throws {
    let house = try House()
    let (folder, aside) = (house.root + "/models/tiny/unet", house.root + "/models/tiny/aside")
    try house.link("models/tiny/link", "ROOT/secret/unet")
    let link = house.root + "/models/tiny/link"
    let isOver = Atomic(false)
    let swaps = Thread {
      while !isOver.load(ordering: .relaxed) {
        rename(folder, aside)
        rename(link, folder)
        rename(folder, link)
        rename(aside, folder)
      }
    }
    swaps.start()
    defer { isOver.store(true, ordering: .relaxed) }
    var found = 0
    for _ in 0..<20_000 {
      // Missing, outside or the right file; never the other one.
      guard let text = try? house.read("models/tiny/unet/config.json", house.confinement) else { continue }
      #expect(text == "unet")
      found += 1
    }
    #expect(found > 0)
  }
}
