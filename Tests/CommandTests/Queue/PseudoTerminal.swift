import Foundation
import Glibc
import Synchronization
import Testing

/// Both ends of a new pseudo-terminal.
struct PseudoTerminal {
  /// What a person would see.
  let read: FileHandle
  /// A program's standard output.
  let write: FileHandle

  /// - Parameters:
  ///   - columns: of the terminal; 0: it does not say.
  ///   - rows: of the terminal; 0: it does not say.
  ///   - cellWidth: pixels; 0: it does not say.
  ///   - cellHeight: pixels; 0: it does not say.
  init(columns: Int = 0, rows: Int = 0, cellWidth: Int = 0, cellHeight: Int = 0) throws {
    let master = open("/dev/ptmx", O_RDWR | O_NOCTTY)
    try #require(master >= 0)
    // unlockpt and ptsname by hand: Glibc's module hides them.
    let (unlock, number) = (UInt(0x4004_5431), UInt(0x8004_5430))
    var (locked, terminal): (Int32, Int32) = (0, -1)
    try #require(ioctl(master, unlock, &locked) == 0 && ioctl(master, number, &terminal) == 0)
    let slave = open("/dev/pts/\(terminal)", O_RDWR | O_NOCTTY)
    try #require(slave >= 0)
    var size = winsize(
      ws_row: UInt16(rows), ws_col: UInt16(columns), ws_xpixel: UInt16(columns * cellWidth),
      ws_ypixel: UInt16(rows * cellHeight))
    try #require(ioctl(master, UInt(TIOCSWINSZ), &size) == 0)
    read = FileHandle(fileDescriptor: master, closeOnDealloc: true)
    write = FileHandle(fileDescriptor: slave, closeOnDealloc: true)
  }
}

/// Bytes that another thread reads while a program still writes.
final class Collector: Sendable {
  private let state = Mutex((data: Data(), isOver: false))

  /// Begins to read, until all other ends are closed.
  init(_ handle: FileHandle) {
    let reader = Thread { [self] in
      // Not FileHandle's own reading: it waits for all bytes, and dies at a terminal whose other end closed.
      var buffer = [UInt8](repeating: 0, count: 4096)
      while case let count = read(handle.fileDescriptor, &buffer, buffer.count), count > 0 {
        state.withLock { $0.data.append(contentsOf: buffer[..<count]) }
      }
      state.withLock { $0.isOver = true }
    }
    reader.start()
  }

  /// What has come so far.
  var text: String { state.withLock { String(decoding: $0.data, as: UTF8.self) } }

  /// Waits for the end.
  func wait() { while !state.withLock({ $0.isOver }) { Thread.sleep(forTimeInterval: 0.01) } }
}
