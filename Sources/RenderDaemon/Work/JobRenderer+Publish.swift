import Foundation
import Images
import JobStore
import Synchronization

/// A picture that is rendered and on its way to the disk. Only the thread of `Reports` works on it.
final class Publication: Sendable {
  /// Of its file.
  let bytes: [UInt8]
  /// Its row, with the first name that it may have.
  let image: ImageRecord
  let job: JobAtWork
  let place: LastStep.Picture
  /// Its state, in case that it must be given up.
  let held: LastStep.Held
  /// What the queue was told about this picture: files by path.
  let announced: Mutex<[String: ImageRecord]>

  init(
    bytes: [UInt8], image: ImageRecord, job: JobAtWork, place: LastStep.Picture,
    announced: [String: ImageRecord], held: LastStep.Held
  ) {
    self.bytes = bytes
    self.image = image
    self.job = job
    self.place = place
    self.announced = Mutex(announced)
    self.held = held
  }
}

extension JobRenderer {
  /// Hands a picture over to be written. The next one is rendered meanwhile. A full disk and a locked queue are waited
  /// for: a finished picture is worth it, and the next job would have the same problem. Meanwhile the job's row says
  /// what it waits for.
  func publish(_ publication: Publication) {
    reports.add(
      Reports.Task(bytes: publication.bytes.count) {
        try attempt(publication)
      } giveUp: { error in
        giveUp(publication, error)
      }, instead: publication.place)
  }

  /// - Throws: what passes by itself, and is waited for.
  private func attempt(_ publication: Publication) throws {
    let (claimed, pictures) = (publication.job.claimed, publication.job.pictures)
    if let trouble = pictures.trouble { return giveUp(publication, trouble) }
    do {
      try check(claimed.lease)
      pictures.add(try write(publication))
    } catch JobStoreError.leaseLost {
      pictures.fail(Interruption.lost)
    } catch let error where waitsForRoom && passesByItself(error) {
      quiet.warning(log, "job \(claimed.job.id) waits to write its picture: \(error)", claimed.fields)
      reporter.troubled("job \(claimed.job.id) waits to write its picture: \(error)")
      // A stop in the meantime saves it.
      if !isNamed(publication) { lastStep.hold(publication.held, of: publication.place) }
      do {
        try side.note("\(error)", claimed.lease)
        if try side.instruction(claimed.lease) == .cancel { throw Interruption.cancelled }
      } catch JobStoreError.leaseLost {
        return pictures.fail(Interruption.lost)
      } catch Interruption.cancelled {
        return pictures.fail(Interruption.cancelled)
      } catch JobStoreError.diskFull {
        // The queue's own log may be filling the disk.
        try? side.reuseLog()
      } catch {
        // The message is for information only, and the queue may be what is waited for.
      }
      throw error
    } catch {
      pictures.fail(error)
    }
    lastStep.clear(publication.place)
  }

  /// The picture is not written, because its job or the daemon stops. The worker that continues the job goes on from its
  /// last step.
  private func giveUp(_ publication: Publication, _ error: any Error) {
    let pictures = publication.job.pictures
    let isEnd = passesByItself(error) && stop.isRequested
    let reason: any Error = pictures.trouble ?? (isEnd ? Interruption.stopping : error)
    defer {
      lastStep.clear(publication.place)
      pictures.fail(reason)
    }
    guard case Interruption.stopping = reason, !isNamed(publication) else { return }
    let report = stateReport(publication.held, of: publication.place, publication.job.claimed)
    do {
      try report.write(side)
    } catch JobStoreError.leaseLost {
      pictures.fail(Interruption.lost)
    } catch {
      log.warning("job \(publication.place.job): no checkpoint at the stop: \(error)")
    }
  }

  /// Whether a file of the picture has its final name, even if that is not on disk for certain. Then the row that names
  /// it is kept.
  private func isNamed(_ publication: Publication) -> Bool {
    publication.announced.withLock { $0.keys.contains { access($0, F_OK) == 0 } }
  }

  /// Writes a picture under its final name. The queue names the file before it exists, so if this process dies,
  /// another one finds the file or removes it. If there is another file of that name, it stays. The picture gets
  /// another name, which is in its row.
  /// - Returns: the picture with its final name.
  private func write(_ publication: Publication) throws -> ImageRecord {
    let job = publication.job
    let (claimed, digest) = (job.claimed, job.renderer.model.digest)
    let steps = claimed.request.render.steps
    var (image, name) = (publication.image, job.name(publication.image.index))
    // The folder may be gone: a purge removes it with its last picture.
    try makeFolder(for: name)
    // First, so that a picture of which a row or a file tells is there, whatever happens between the two.
    try shared?.put(
      publication.bytes, digest: image.digest, called: "picture \(image.index) of job \(claimed.job.id)")
    while true {
      image.path = name.path(below: output)
      let told = publication.announced.withLock { $0[image.path] }
      var status = stat()
      let isThere = lstat(image.path, &status) == 0
      // What it told the queue of and is there unchanged is its own.
      let isOwn = isThere && told.map { self.isOwn($0, name) } == true
      if isThere && !isOwn {
        name.copy += 1
        continue
      }
      lastStep.clear(publication.place)
      if told != image {
        try side.announce(image, step: steps, modelDigest: digest, claimed.lease)
        if !isOwn { publication.announced.withLock { $0[image.path] = image } }
      }
      if try put(publication.bytes, as: name, replacing: isOwn) {
        publication.announced.withLock { $0[image.path] = image }
        break
      }
      // Somebody was quicker.
      publication.announced.withLock { $0[image.path] = nil }
    }
    if name.copy > 1 {
      log.notice(
        "job \(claimed.job.id), image \(image.index): its name is another picture's, so it is \(image.path)",
        metadata: claimed.fields)
    }
    metrics.image()
    do {
      try side.report(
        ImageProgress(index: image.index, phase: .done, step: steps, steps: steps),
        waiting: WorkerSession.reportPatience, claimed.lease)
    } catch JobStoreError.leaseLost {
      // The job was taken away between the two. If it is over by now, nobody owns the file.
      try? side.disown(image, job: claimed.job.id, modelDigest: digest)
      throw JobStoreError.leaseLost(job: claimed.job.id, worker: claimed.lease.worker)
    } catch let error as JobStoreError {
      quiet.warning(log, "job \(claimed.job.id): cannot say that a picture is done: \(error)", claimed.fields)
    }
    return image
  }

  /// Writes a file.
  /// - Returns: false if there is one of that name, and it may not be replaced.
  private func put(_ bytes: [UInt8], as name: PictureName, replacing: Bool) throws -> Bool {
    do throws(ImageError) {
      try AtomicFile.write(
        bytes, to: name.path(below: output), replacing: replacing, by: name.temporary(below: output))
    } catch {
      guard case .outputExists = error else { throw error }
      return false
    }
    return true
  }

  /// Makes the folder for a picture. A link that leads out of the output folder is refused, before anything is made
  /// behind it: people who may write there, or into the database, must not choose where else the daemon writes.
  /// - Throws: `DaemonError.outputFolder`, `.outputFull`
  func makeFolder(for name: PictureName) throws {
    try makeOutput()
    let root = ModelLocator.resolved(output)
    var folder = output
    for part in name.folders {
      folder += "/" + part
      do {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      } catch let error as CocoaError
        where error.code == .fileWriteOutOfSpace || error.code == .fileWriteVolumeReadOnly
      {
        throw DaemonError.outputFull(path: folder, reason: error.localizedDescription)
      } catch {
        throw DaemonError.outputFolder(path: folder, reason: error.localizedDescription)
      }
      let real = ModelLocator.resolved(folder)
      guard real.hasPrefix(root == "/" ? root : root + "/") else {
        throw DaemonError.outputFolder(path: folder, reason: "it is a link to \(real), outside \(output)")
      }
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
}
