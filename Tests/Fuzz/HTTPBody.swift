import Wire

/// RFC 9112 §7.1: chunked content. The first byte says in what pieces the rest comes.
func fuzzHTTPBody(_ input: [UInt8]) {
    guard let size = input.first else { return }
    let content = Array(input.dropFirst())
    let whole = pass(content, pieces: max(content.count, 1), keepsCoding: true)
    hold(whole == pass(content, pieces: Int(size) % 7 + 1, keepsCoding: true), "cut into pieces it is another content")
    fuzzResponse(content, pieces: Int(size) % 7 + 1)
    guard let whole else { return }
    // What comes out is chunked content again, of which nothing more is to be taken out.
    guard let again = pass(whole.output, pieces: max(whole.output.count, 1), keepsCoding: true) else {
        fatalError("passed on it is refused")
    }
    hold(again.output == whole.output && again.hasEnded == whole.hasEnded, "passed on it is another content")
    guard let bare = pass(content, pieces: Int(size) % 5 + 1, keepsCoding: false) else {
        fatalError("bare it is refused")
    }
    hold(bare.hasEnded == whole.hasEnded && bare.output.count <= whole.output.count, "bare it ends elsewhere")
}

/// What a lenient filter lets through is what a strict one does, too. How it comes decides where chunks end that are made anew.
private func fuzzResponse(_ content: [UInt8], pieces size: Int) {
    let whole = pass(content, pieces: max(content.count, 1), keepsCoding: true, isLenient: true)
    let torn = pass(content, pieces: size, keepsCoding: true, isLenient: true)
    hold((whole == nil) == (torn == nil), "cut into pieces it is refused or accepted")
    guard let whole, let torn else { return }
    hold(whole.isRenewed || whole == torn, "cut into pieces it is another response")
    guard let again = pass(whole.output, pieces: max(whole.output.count, 1), keepsCoding: true) else {
        fatalError("passed on it is refused")
    }
    hold(again.output == whole.output && again.hasEnded == whole.hasEnded, "passed on it is another response")
    let (bare, other) = (
        pass(whole.output, pieces: size, keepsCoding: false), pass(torn.output, pieces: size, keepsCoding: false)
    )
    hold(bare == other && bare != nil, "cut into pieces it has other content")
}

private struct Passed: Equatable {
    var output: [UInt8] = []
    var hasEnded = false
    var isRenewed = false
}

/// nil if it is refused.
private func pass(_ content: [UInt8], pieces size: Int, keepsCoding: Bool, isLenient: Bool = false) -> Passed? {
    var body = HTTPBody(.chunked, keepsCoding: keepsCoding, isLenient: isLenient)
    var passed = Passed()
    var buffer: [UInt8] = []
    var next = 0
    while next < content.count, !body.isComplete {
        let end = min(content.count, next + size)
        buffer += content[next..<end]
        next = end
        var span = buffer.mutableSpan
        guard let portion = try? body.take(&span) else { return nil }
        hold(portion.kept <= portion.taken && portion.taken <= buffer.count, "\(portion) of \(buffer.count)")
        if let chunk = portion.chunk {
            passed.isRenewed = true
            passed.output += buffer[..<chunk.start] + chunk.head + buffer[chunk.start..<portion.kept] + chunk.tail
        } else {
            passed.output += buffer[..<portion.kept]
        }
        buffer.removeFirst(portion.taken)
    }
    passed.hasEnded = body.isComplete
    return passed
}
