import Tensors

/// The forecast of each lane of work. A process that does one work at a time has one, of no lane.
struct LaneForecasts: Sendable {
  /// Which lane: its object's identity; nil: none.
  typealias Lane = ObjectIdentifier?

  /// The lane of the work that the current thread does.
  static var current: Lane { WorkLane.current.map { ObjectIdentifier($0) } }

  private var lanes: [Lane] = [nil]
  private var forecasts = [Forecast()]

  /// Changes the forecast of a lane, in place.
  mutating func change<Result>(_ lane: Lane, _ body: (inout Forecast) -> Result) -> Result {
    if let index = lanes.firstIndex(of: lane) { return body(&forecasts[index]) }
    lanes.append(lane)
    forecasts.append(Forecast())
    return body(&forecasts[forecasts.count - 1])
  }

  /// Of a lane; nil: nothing was ever expected there.
  subscript(lane: Lane) -> Forecast? { lanes.firstIndex(of: lane).map { forecasts[$0] } }

  /// Of all lanes.
  var all: [Forecast] { forecasts }

  /// Nothing more is expected of a lane.
  mutating func forget(_ lane: Lane) {
    guard let index = lanes.firstIndex(of: lane) else { return }
    lanes.remove(at: index)
    forecasts.remove(at: index)
  }

  /// How many uses come before the next one of `key` in the lane that needs it first; nil if none is expected.
  func distance(to key: PartKey) -> Double? {
    var nearest: Double?
    for index in forecasts.indices {
      if let distance = forecasts[index].distance(to: key) { nearest = min(nearest ?? distance, distance) }
    }
    return nearest
  }

  /// Whether a further use is expected in any lane.
  func isExpected(_ key: PartKey) -> Bool { forecasts.contains { $0.isExpected(key) } }
}
