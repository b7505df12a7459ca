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
