import Foundation
import Glibc
import JobStore
import Testing

/// People without all rights, as root starts them.
@Suite(.enabled(if: Rights.canBeTaken)) struct QueueRightsTests {
  private static let reads = [["status"], ["list", "--json"], ["show", "1"], ["models"], ["watch"]]

  /// Whoever may read the file may look, whether a daemon has it open or not.
  @Test(arguments: [true, false]) func aReaderMayLook(isOpen: Bool) throws {
    let command = try Command()
    _ = try command("enqueue", "a cat", "--model", "m")
    _ = try command("cancel", "1")
    chmod(command.folder, 0o755)
    let session = isOpen ? try command.daemon() : nil
    if !isOpen { #expect(access(command.database + "-wal", F_OK) != 0) }
    for arguments in Self.reads {
      let outcome = try command.run(arguments, by: Rights.nobody())
      #expect(outcome.code == 0 && outcome.errors == "", "\(arguments) \(outcome)")
    }
    #expect(try command.run(["list"], by: Rights.nobody()).output.contains("a cat"))
    for arguments in [["enqueue", "b", "--model", "m"], ["cancel", "1"], ["pause"]] {
      expectComplaint(
        try command.run(arguments, by: Rights.nobody()), code: 77, command.database, "root's", "nobody")
    }
    #expect(try command.client().list().count == 1)
    #expect(session?.name != "")
  }

  /// A reader who watches a queue that nobody has open sees what is done to it later.
  @Test func aReaderSeesWhatComesLater() throws {
    let command = try Command()
    _ = try command("enqueue", "a cat", "--model", "m")
    chmod(command.folder, 0o755)
    let (output, errors) = (Pipe(), Pipe())
    let process = try command.start(
      ["watch", "1"], by: Rights.nobody(), output: output.fileHandleForWriting, errors: errors)
    try output.fileHandleForWriting.close()
    while try !String(contentsOfFile: "/proc/\(process.processIdentifier)/comm", encoding: .utf8).hasPrefix(
      "segmoectl")
    {
      Thread.sleep(forTimeInterval: 0.01)
    }
    let session = try command.daemon(beats: true)
    try command.render(session)
    process.waitUntilExit()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    #expect(process.terminationStatus == 0 && text.contains("1 of 1 done"), "\(text)")
  }

  @Test func whoMayNotReadIsTold() throws {
    let command = try Command()
    _ = try command("enqueue", "a cat", "--model", "m")
    chmod(command.folder, 0o755)
    chmod(command.database, 0o600)
    expectComplaint(try command.run(["list"], by: Rights.nobody()), code: 77, "root", "600")
    chmod(command.folder, 0o700)
    expectComplaint(try command.run(["list"], by: Rights.nobody()), code: 77, command.folder)
    expectComplaint(
      try command.run(["enqueue", "p", "--model", "m", "--database", "/proc/segmoe/q"], by: Rights.nobody()),
      code: 66, "/proc")
    expectComplaint(
      try command.run(["enqueue", "p", "--model", "m", "--database", "/usr/segmoe/q"], by: Rights.nobody()),
      code: 77, "/usr", "root")
  }

  /// In the service's folder a queue is for its group, whoever makes it; what an older program or a copy left there
  /// that is not is named with the mend, to clients and by the daemon.
  @Test func aQueueThatIsNotItsGroupsIsNamed() throws {
    let command = try Command()
    chown(command.folder, 0, 100)
    chmod(command.folder, 0o2775)
    #expect(
      try command.run(["enqueue", "p", "--model", "m"], by: Rights.nobody(group: 100)).code == 0)
    let made = try FileManager.default.attributesOfItem(atPath: command.database)
    #expect(made[.posixPermissions] as? Int == 0o660 && made[.groupOwnerAccountID] as? Int == 100)
    #expect(try !command("enqueue", "p", "--model", "m").errors.contains("chgrp"))

    chmod(command.database, 0o644)
    let warned = try command("enqueue", "p", "--model", "m")
    #expect(warned.code == 0)
    #expect(warned.errors.contains("chmod 660 \(command.database)"), "\(warned.errors)")
    chown(command.database, 0, 0)
    chmod(command.database, 0o644)
    expectComplaint(
      try command.run(["enqueue", "p", "--model", "m"], by: Rights.nobody(group: 100)), code: 77,
      "root's (group root, 644)", "sudo chgrp", "chmod 660")
    let daemon = try BuiltProgram.run(
      "segmoed", ["--database", command.database, "--output", command.folder + "/out", "--drain"],
      by: Rights.nobody(group: 100))
    #expect(daemon.code == 77)
    #expect(daemon.errors.contains("chmod 660 \(command.database)"), "\(daemon.errors)")
    let open = try BuiltProgram.run(
      "segmoed", ["--database", command.database, "--output", command.folder + "/out", "--drain"])
    #expect(open.errors.contains("chmod 660 \(command.database)"), "\(open.errors)")
  }

  /// Who is not in the group of a queue is told how he gets there.
  @Test func whoIsNotInTheGroupIsTold() throws {
    let command = try Command()
    _ = try command("enqueue", "p", "--model", "m")
    chown(command.folder, 0, 100)
    chmod(command.folder, 0o2775)
    chown(command.database, 0, 100)
    chmod(command.database, 0o660)
    expectComplaint(
      try command.run(["cancel", "1"], by: Rights.nobody()), code: 77, "usermod -aG users nobody",
      "log in again")
  }
}
