import Foundation
import TestProcess

/// What a parser that shares nothing with Gatehouse's reads in the bytes that an origin got: h11 of Debian's python3-h11.
enum SecondParser {
    struct Reading: Decodable {
        struct Request: Decodable {
            let method: String
            let target: String
            let content: Int
        }

        /// Those that are whole.
        let requests: [Request]
        /// Whether bytes are left over that are no whole request.
        let hasRest: Bool
        /// What was wrong with the rest; nil: nothing.
        let error: String?
    }

    /// - Parameter streams: of a connection each.
    static func read(_ streams: [[UInt8]]) throws -> [Reading] {
        let file = FileManager.default.temporaryDirectory.appending(path: "streams-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        try JSONEncoder().encode(streams.map { Data($0) }).write(to: file)
        let result = try ChildProcess.run(["/usr/bin/python3", "-c", script, file.path])
        guard result.status == 0 else { throw Peer.Failure("h11: \(result.output)", 0) }
        return try JSONDecoder().decode([Reading].self, from: Data(result.output.utf8))
    }

    /// What two other clients' parsers read in the bytes that a client got: h11 and, of nodejs, llhttp. Each content that was read whole,
    /// by either; an error, if a parser did not read exactly one response that is whole.
    static func readResponses(_ streams: [[UInt8]]) throws -> [(h11: String, llhttp: String)] {
        let file = FileManager.default.temporaryDirectory.appending(path: "streams-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        try JSONEncoder().encode(streams.map { Data($0) }).write(to: file)
        func read(_ command: String...) throws -> [String] {
            let result = try ChildProcess.run(command + [file.path])
            guard result.status == 0 else { throw Peer.Failure("\(command[0]): \(result.output)", 0) }
            return try JSONDecoder().decode([String].self, from: Data(result.output.utf8))
        }
        let (h11, llhttp) = try (
            read("/usr/bin/python3", "-c", responses), read("/usr/bin/node", "--no-deprecation", "-e", nodeResponses)
        )
        guard h11.count == streams.count, llhttp.count == streams.count else {
            throw Peer.Failure("too few readings", 0)
        }
        return Array(zip(h11, llhttp))
    }

    private static let responses = """
        import base64, json, sys
        import h11

        def read(stream):
            connection = h11.Connection(h11.CLIENT)
            connection.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
            connection.send(h11.EndOfMessage())
            connection.receive_data(stream)
            content = b""
            try:
                while True:
                    event = connection.next_event()
                    if isinstance(event, h11.Data):
                        content += event.data
                    elif isinstance(event, h11.EndOfMessage):
                        rest = connection.trailing_data[0]
                        return "error: %d bytes behind it" % len(rest) if rest else content.decode("latin-1")
                    elif not isinstance(event, h11.Response):
                        return "error: %r" % event
            except h11.RemoteProtocolError as fault:
                return "error: %s" % fault

        with open(sys.argv[1]) as file:
            streams = json.load(file)
        json.dump([read(base64.b64decode(stream)) for stream in streams], sys.stdout)
        """

    private static let nodeResponses = """
        const { HTTPParser } = process.binding("http_parser");
        const streams = JSON.parse(require("fs").readFileSync(process.argv[1]));

        function read(stream) {
            const parser = new HTTPParser();
            parser.initialize(HTTPParser.RESPONSE, {});
            let content = "", whole = 0;
            parser[HTTPParser.kOnHeadersComplete] = () => 0;
            // Before version 18 with the place of the part in the whole.
            parser[HTTPParser.kOnBody] = (bytes, start = 0, length = bytes.length) => {
                content += bytes.toString("latin1", start, start + length);
            };
            parser[HTTPParser.kOnMessageComplete] = () => { whole += 1; };
            for (const result of [parser.execute(stream), parser.finish()])
                if (result instanceof Error) return "error: " + result.reason;
            return whole === 1 ? content : "error: " + whole + " responses";
        }
        process.stdout.write(JSON.stringify(streams.map(text => read(Buffer.from(text, "base64")))));
        """

    private static let script = """
        import base64, json, sys
        import h11

        def read(stream):
            requests, error = [], None
            connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
            connection.receive_data(stream)
            # The end of the connection is no end of content that was to be longer.
            connection.receive_data(b"")
            try:
                while True:
                    event = connection.next_event()
                    if isinstance(event, h11.Request):
                        head, content = event, 0
                    elif isinstance(event, h11.Data):
                        content += len(event.data)
                    elif isinstance(event, h11.EndOfMessage):
                        requests.append(dict(
                            method=head.method.decode("latin-1"), target=head.target.decode("latin-1"), content=content))
                        rest = connection.trailing_data[0]
                        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
                        if not rest:
                            break
                        connection.receive_data(rest)
                        connection.receive_data(b"")
                    else:
                        break
            except h11.RemoteProtocolError as fault:
                error = str(fault)
            return dict(requests=requests, hasRest=bool(connection.trailing_data[0]) or error is not None, error=error)

        with open(sys.argv[1]) as file:
            streams = json.load(file)
        json.dump([read(base64.b64decode(stream)) for stream in streams], sys.stdout)
        """
}
