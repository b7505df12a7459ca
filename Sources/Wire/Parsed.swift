/// What a parser makes of the bytes that have arrived so far. Bytes beyond `consumed` are the next message's.
package enum Parsed<Value: Sendable>: Sendable {
    case needMore
    case done(Value, consumed: Int)
}

extension Parsed: Equatable where Value: Equatable {}
