import Foundation
import Images
import JobStore

extension JobRenderer {
  /// Writes a picture under its final name. The queue names the file before it exists, so if this process dies,
  /// another one finds the file or removes it. If there is another file of that name, it stays. The picture gets
  /// another name, which is in its row.
  /// - Parameter announced: what the queue was told about this picture.
  /// - Returns: the picture with its final name.
  func publish(
    _ bytes: [UInt8], as image: ImageRecord, of job: JobAtWork, _ announced: inout [String: ImageRecord]
  ) throws -> ImageRecord {
    let (claimed, digest) = (job.claimed, job.renderer.model.digest)
    let steps = claimed.request.render.steps
    lastStep.clear(LastStep.Picture(job: claimed.job.id, index: image.index))
    var (image, name) = (image, job.name(image.index))
    try whenThereIsRoom(claimed) {
      // The folder may be gone: a purge removes it with its last picture.
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
      // The job was taken away between the two. If it is over by now, nobody owns the file.
      try session.disown(image, job: claimed.job.id, modelDigest: digest)
      throw Interruption.lost
    }
    return image
  }

  /// Makes the folder for a job's pictures. A link that leads out of the output folder is refused: people who may
  /// write there, or into the database, must not choose where else the daemon writes.
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

  /// Makes the folder of all pictures. If it cannot be used (its disk is not mounted, its permissions are wrong,
  /// there is a file instead), that is not this job's fault, and the next job would have the same problem.
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

  /// Runs `body` until neither a full disk nor a locked queue refuses it. A finished picture is worth waiting for,
  /// and the next job would have the same problem. Meanwhile the job's row says what it waits for.
  /// - Throws: `Interruption` if the job was cancelled or taken away; any other error of `body`.
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

  /// Waits a moment, then checks whether to go on waiting.
  private func standStill(_ claimed: ClaimedJob, saying error: String) throws {
    do {
      try session.note(error, claimed.lease)
    } catch JobStoreError.leaseLost {
      throw Interruption.lost
    } catch JobStoreError.diskFull {
      // The queue's own log may be filling the disk.
      try? session.reuseLog()
    } catch {
      // The message is for information only.
    }
    if stop.sleep(seconds: 1) { throw Interruption.stopping }
    do {
      if try session.instruction(claimed.lease) == .cancel { throw Interruption.cancelled }
    } catch JobStoreError.leaseLost {
      throw Interruption.lost
    } catch is JobStoreError {
      // The queue does not answer, which may be what is waited for.
    }
  }
}
