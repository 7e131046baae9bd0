import Foundation
import Images
import JobStore

extension JobRenderer {
  /// Gives a picture its final name. The queue knows of the file before it is there: whenever this process dies, somebody
  /// finds it or cleans it up. A file that is there and is not this picture's stays: the picture gets another name, and
  /// its row says which.
  /// - Parameter announced: what the queue was told of this picture.
  /// - Returns: the picture with its final name.
  func publish(
    _ bytes: [UInt8], as image: ImageRecord, of job: JobAtWork, _ announced: inout [String: ImageRecord]
  ) throws -> ImageRecord {
    let (claimed, digest) = (job.claimed, job.renderer.model.digest)
    let steps = claimed.request.render.steps
    lastStep.clear(LastStep.Picture(job: claimed.job.id, index: image.index))
    var (image, name) = (image, job.name(image.index))
    try whenThereIsRoom(claimed) {
      // Again: retention takes a folder whose last picture it removes.
      try makeFolder(of: job)
      while true {
        image.path = name.path(below: output)
        var status = stat()
        let isThere = lstat(image.path, &status) == 0
        // What it told the queue of and is there unchanged is its own.
        let isOwn = isThere && announced[image.path].map(isWhole) == true
        if isThere && !isOwn {
          name.copy += 1
          continue
        }
        if announced[image.path] != image {
          try session.announce(image, step: steps, modelDigest: digest, claimed.lease)
          if !isOwn { announced[image.path] = image }
        }
        do {
          try AtomicFile.write(bytes, to: image.path, replacing: isOwn)
          announced[image.path] = image
          return
        } catch ImageError.outputExists {
          // Somebody was quicker.
          announced[image.path] = nil
        }
      }
    }
    if name.copy > 1 {
      log.notice(
        "job \(claimed.job.id), image \(image.index): its name is another picture's, so it is \(image.path)",
        metadata: claimed.fields)
    }
    metrics.image()
    do {
      try report(claimed, index: image.index, .done, step: steps, steps: steps)
    } catch Interruption.lost {
      // Taken away between the two: if the job is over by now, the file is nobody's.
      try session.disown(image, job: claimed.job.id, modelDigest: digest)
      throw Interruption.lost
    }
    return image
  }

  /// Makes the folder for a job's pictures. A link that leads out of the output folder is refused: who may
  /// write there, or into the database, may not choose where else the daemon writes.
  /// - Throws: `DaemonError.outputFolder`, `.outputFull`
  func makeFolder(of job: JobAtWork) throws {
    let folder = job.folder
    try makeOutput()
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch let error as CocoaError
      where error.code == .fileWriteOutOfSpace || error.code == .fileWriteVolumeReadOnly
    {
      throw DaemonError.outputFull(path: folder, reason: error.localizedDescription)
    } catch {
      throw DaemonError.outputFolder(path: folder, reason: error.localizedDescription)
    }
    let (real, root) = (ModelLocator.resolved(folder), ModelLocator.resolved(output))
    guard real.hasPrefix(root == "/" ? root : root + "/") else {
      throw DaemonError.outputFolder(path: folder, reason: "it is a link to \(real), outside \(output)")
    }
  }

  /// The folder that all pictures go to. When it cannot be used (its disk is not mounted, its rights are wrong, a file
  /// is in its place) that is no fault of this job, and the next would fare no better.
  /// - Throws: `DaemonError.outputFull`
  private func makeOutput() throws {
    do {
      try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true)
    } catch {
      throw DaemonError.outputFull(path: output, reason: error.localizedDescription)
    }
    guard access(output, W_OK | X_OK) == 0 else {
      throw DaemonError.outputFull(path: output, reason: String(cString: strerror(errno)))
    }
  }

  /// Does what a full disk or a locked queue may refuse, as soon as it is possible: a finished picture is worth
  /// waiting for, and the next job would fare no better. The row of the job says meanwhile what it waits for.
  /// - Throws: `Interruption` if the job is not wanted any more, or not of this daemon; any other error.
  private func whenThereIsRoom(_ claimed: ClaimedJob, _ body: () throws -> Void) throws {
    while true {
      do {
        return try body()
      } catch JobStoreError.leaseLost {
        throw Interruption.lost
      } catch let error where waitsForRoom && passesByItself(error) {
        quiet.warning(log, "job \(claimed.job.id) waits to write its picture: \(error)", claimed.fields)
        reporter.troubled("job \(claimed.job.id) waits to write its picture: \(error)")
        try standStill(claimed, saying: "\(error)")
      }
    }
  }

  /// Waits a moment, and looks whether to go on waiting.
  private func standStill(_ claimed: ClaimedJob, saying error: String) throws {
    do {
      try session.note(error, claimed.lease)
    } catch JobStoreError.leaseLost {
      throw Interruption.lost
    } catch JobStoreError.diskFull {
      // The queue's own log may be what fills the disk.
      try? session.reuseLog()
    } catch {
      // It was for information only.
    }
    if stop.sleep(seconds: 1) { throw Interruption.stopping }
    do {
      if try session.instruction(claimed.lease) == .cancel { throw Interruption.cancelled }
    } catch JobStoreError.leaseLost {
      throw Interruption.lost
    } catch is JobStoreError {
      // It does not answer: what is waited for.
    }
  }
}
