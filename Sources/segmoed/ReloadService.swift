import RenderDaemon
import ServiceLifecycle
import UnixSignals

/// Reads the configuration again at every SIGHUP, and tells the service manager when it is done.
struct ReloadService: Service {
  private let hangups: UnixSignalsSequence
  private let reporter: ServiceReporter
  private let reload: @Sendable () -> Void

  /// Listens from now on.
  /// - Parameters:
  ///   - reporter: tells the service manager.
  ///   - reload: reads the configuration and uses what may change while the daemon runs.
  init(_ reporter: ServiceReporter, _ reload: @escaping @Sendable () -> Void) async {
    hangups = await UnixSignalsSequence(trapping: .sighup)
    self.reporter = reporter
    self.reload = reload
  }

  /// Runs until a shutdown is asked for.
  func run() async {
    for await _ in hangups.cancelOnGracefulShutdown() { reporter.reload(reload) }
  }
}
