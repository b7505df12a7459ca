import Wire

/// RFC 1928 §3: a method is offered exactly if its number is in the list.
func fuzzSOCKS5Greeting(_ input: [UInt8]) {
    guard case .done(let greeting, let consumed) = feed(input, { SOCKS5Greeting.parse }) else { return }
    let methods = input[2..<consumed]
    hold(consumed == 2 + Int(input[1]), "\(consumed) bytes for \(input[1]) methods")
    hold(greeting.offersNone == methods.contains(0), "\(greeting) of \(methods)")
    hold(greeting.offersPassword == methods.contains(2), "\(greeting) of \(methods)")
}
