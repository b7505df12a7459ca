// Fuzz: one file for each target beside this one, run by scripts/fuzz under libFuzzer and the address sanitizer.
//
// A target holds more than "it does not trap": bytes that come one by one mean what they mean at once, nothing beyond what
// was consumed matters, what was understood and is written again is understood the same, and limits hold. SwiftPM knows
// nothing of these files: libFuzzer brings its own main().

import Glibc
import Wire

/// What each target does with one input. A target's name is the name of its file and of its seeds' directory in Tests/Corpus.
private let targets: [String: @Sendable ([UInt8]) -> Void] = [
    "Authority": fuzzAuthority,
    "BasicCredentials": fuzzBasicCredentials,
    "DNSRequest": fuzzDNSRequest,
    "DNSResponse": fuzzDNSResponse,
    "HTTPBody": fuzzHTTPBody,
    "HTTPRequestHead": fuzzHTTPRequestHead,
    "HTTPResponseHead": fuzzHTTPResponseHead,
    "PolicyNotation": fuzzPolicyNotation,
    "SOCKS4Request": fuzzSOCKS4Request,
    "SOCKS5Datagram": fuzzSOCKS5Datagram,
    "SOCKS5Greeting": fuzzSOCKS5Greeting,
    "SOCKS5Login": fuzzSOCKS5Login,
    "SOCKS5Request": fuzzSOCKS5Request,
]

/// Set before the first input, by the name under which the program was started.
private nonisolated(unsafe) var target: @Sendable ([UInt8]) -> Void = { _ in }

@_cdecl("LLVMFuzzerInitialize")
public func initialize(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>
) -> CInt {
    let name = arguments.pointee[0].map { String(cString: $0).split(separator: "/").last.map(String.init) ?? "" }
    guard let chosen = targets[name ?? ""] else {
        fatalError("Tests/Fuzz/Fuzz.swift lists no target \(name ?? "")")
    }
    target = chosen
    return 0
}

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    target(Array(UnsafeBufferPointer(start: data, count: size)))
    return 0
}

/// Ends the run with a message; `precondition` has none in an optimised build.
func hold(_ condition: Bool, _ what: @autoclosure () -> String) {
    if !condition { fatalError(what()) }
}

/// What a parser made of an input.
enum Understanding<Value: Equatable>: Equatable {
    case needMore
    case done(Value, consumed: Int)
    case failed(String)
}

/// Feeds `input` to fresh parsers, at once and byte by byte, and holds that both make the same of it.
///
/// - Parameter parser: makes a parser, which is given all that has arrived so far.
func feed<Value: Equatable & Sendable>(
    _ input: [UInt8], _ parser: () -> (borrowing Span<UInt8>) throws -> Parsed<Value>
) -> Understanding<Value> {
    func understand(
        _ bytes: Span<UInt8>, _ parse: (borrowing Span<UInt8>) throws -> Parsed<Value>
    ) -> Understanding<Value> {
        do {
            guard case .done(let value, let consumed) = try parse(bytes) else { return .needMore }
            hold(1...bytes.count ~= consumed, "consumed \(consumed) of \(bytes.count) bytes")
            return .done(value, consumed: consumed)
        } catch {
            return .failed("\(error)")
        }
    }
    let whole = understand(input.span, parser())
    let parse = parser()
    for count in 0...input.count {
        let part = understand(input.span.extracting(first: count), parse)
        if part == .needMore { continue }
        hold(part == whole, "at once: \(whole), byte by byte: \(part) after \(count)")
        if case .done(_, let consumed) = part { hold(consumed == count, "done with \(consumed) bytes after \(count)") }
        return whole
    }
    hold(whole == .needMore, "at once: \(whole), byte by byte: never done")
    return whole
}
