import Foundation
import TestNetwork
import Testing

/// The programs that people have, each through every kind of listener that it can use, without and with a password: whether what it
/// fetches is there to the byte, and came this way.
///
/// Not here, because Debian 12 has no package of it: a SOCKS agent for Node.js, Docker itself (docker.io brings a daemon; what its
/// client speaks is spoken by a script), wget2, Safari, Windows' and Android's own clients. wget, ffmpeg, Java and Node's agents do
/// not know every kind of proxy; each test says which. No browser has a password for SOCKS5.
@Suite("Real clients", .serialized, .enabled(if: isRoot, "needs root: network namespaces"))
struct ClientMatrixTests {
    private let matrix: Matrix
    private var home: Home { matrix.home }
    private let http = "http://origin.example:8000"
    private let https = "https://origin.example:8443"

    init() throws { matrix = try Matrix() }

    private func python(_ name: String) -> [String] { ["/usr/bin/python3", Matrix.program(name)] }

    @Test("curl fetches and sends, in one request and in several on one connection")
    func curl() throws {
        try matrix.send(files: { _ in 6 }) { door, directory in
            let blob = "@\(matrix.site)/blob"
            let options = [
                "curl", "-sSf", "--proxy", door.url, "--proxy-cacert", matrix.bundle, "--cacert", matrix.bundle,
            ]
            // --next forgets all but the connections.
            let transfers = [
                ["\(http)/blob"], ["\(https)/blob"], ["--data-binary", blob, "\(http)/echo"],
                ["--data-binary", blob, "\(https)/echo"],
                ["-H", "Transfer-Encoding: chunked", "--data-binary", blob, "\(http)/echo"],
                ["--proxytunnel", "\(http)/blob"],
            ]
            let all = transfers.enumerated().map { options.dropFirst() + ["-o", "\(directory)/\($0)"] + $1 }
            return ["curl"] + all.joined(separator: ["--next"])
        }
    }

    @Test("wget, which knows HTTP proxies alone")
    func wget() throws {
        try matrix.send(through: Matrix.doors.filter { $0.scheme == "http" }, files: { _ in 2 }) { door, directory in
            let script = """
                wget -q --ca-certificate="$BUNDLE" -O \(directory)/plain \(http)/blob
                wget -q --ca-certificate="$BUNDLE" -O \(directory)/secure \(https)/blob
                """
            return ["http_proxy=\(door.url)", "https_proxy=\(door.url)", "sh", "-ec", script]
        }
    }

    @Test("git clones and pushes nothing less than there is, by the smart protocol")
    func git() throws {
        let repository = matrix.site + "/git/house.git"
        try home.wan.run(
            "sh", "-ec",
            """
            export HOME=\(home.directory)
            git init -q --bare \(repository)
            git -C \(repository) config http.receivepack true
            git init -q \(home.directory)/work
            cd \(home.directory)/work
            for n in $(seq 12); do cp \(matrix.site)/blob file-$n; echo $n >>file-$n; done
            cp \(matrix.site)/blob blob
            git add .
            git -c user.name=a -c user.email=a@example.org commit -qm everything
            git push -q \(repository) HEAD:refs/heads/main
            git -C \(repository) symbolic-ref HEAD refs/heads/main
            """)
        // Debian's has libcurl 7.88 with GnuTLS: with TLS inside TLS it waits for ever for what it has decrypted already, through any
        // proxy, and not each time.
        try matrix.send(files: { $0.isTLS ? 1 : 2 }) { door, directory in
            let script = """
                for base in \(door.isTLS ? http : "\(http) \(https)"); do
                    git clone -q $base/git/house.git $HOME/clone
                    cd $HOME/clone
                    cmp file-12 $HOME/work/file-12
                    cp blob \(directory)/${base%%:*}
                    git checkout -q -b branch-$$
                    git -c user.name=a -c user.email=a@example.org commit -q --allow-empty -m one
                    git push -q origin HEAD
                    test "$(git rev-parse HEAD)" = "$(git -C \(repository) rev-parse branch-$$)"
                    git push -q origin :branch-$$
                    cd $HOME
                    rm -rf clone
                done
                """
            return [
                "GIT_CONFIG_COUNT=3", "GIT_CONFIG_KEY_0=http.proxy", "GIT_CONFIG_VALUE_0=\(door.url)",
                "GIT_CONFIG_KEY_1=http.proxySSLCAInfo", "GIT_CONFIG_VALUE_1=\(matrix.bundle)",
                "GIT_CONFIG_KEY_2=http.sslCAInfo", "GIT_CONFIG_VALUE_2=\(matrix.bundle)", "sh", "-ec", script,
            ]
        }
    }

    /// It asks for ten packages before it has the first.
    @Test("apt reads an index and fetches packages in a row")
    func apt() throws {
        let repository = matrix.site + "/repository"
        try home.wan.run(
            "sh", "-ec",
            """
            mkdir -p \(repository)
            cd \(repository)
            for n in $(seq 15); do
                mkdir -p $n/DEBIAN $n/usr/share/part
                printf 'Package: part%s\\nVersion: 1\\nArchitecture: all\\nMaintainer: a <a@example.org>\\nDescription: a part\\n' $n \\
                    >$n/DEBIAN/control
                head -c 60000 /dev/urandom >$n/usr/share/part/$n
                dpkg-deb -Znone --root-owner-group -b $n part$n.deb >/dev/null
                rm -r $n
            done
            dpkg-scanpackages -m . 2>/dev/null >Packages
            """)
        // In TLS inside TLS apt 2.6 waits for what it has decrypted already, through any proxy.
        let lists = "lists/partial cache/archives/partial etc/apt.conf.d etc/preferences.d etc/trusted.gpg.d"
        try matrix.send(files: nil) { door, directory in
            let script = """
                cd \(directory)
                mkdir -p \(lists)
                touch status
                for base in \(door.isTLS ? http : "\(http) \(https)"); do
                    echo "deb [trusted=yes] $base/repository ./" >etc/sources.list
                    options="-qq -o Dir::State=\(directory) -o Dir::State::status=\(directory)/status -o Dir::Cache=\(directory)/cache
                        -o Dir::Etc=\(directory)/etc -o APT::Sandbox::User=root -o Acquire::Retries=0
                        -o Acquire::http::Pipeline-Depth=10 -o Acquire::https::CaInfo=$BUNDLE
                        -o Acquire::http::Proxy=\(door.url) -o Acquire::https::Proxy=\(door.url)"
                    apt-get $options -o APT::Update::Error-Mode=any update
                    apt-get $options download $(seq -f part%g 15)
                    for n in $(seq 15); do cmp part${n}_1_all.deb \(repository)/part$n.deb; done
                    rm -r lists/*Packages* part*.deb
                done
                """
            return ["sh", "-ec", script]
        }
    }

    @Test("pip finds a package in an index and downloads it")
    func pip() throws {
        try home.wan.run(
            "/usr/bin/python3", "-c",
            """
            import os, sys, zipfile
            os.makedirs(sys.argv[1] + "/simple/house")
            name = "house-1.0-py3-none-any.whl"
            with zipfile.ZipFile(f"{sys.argv[1]}/simple/house/{name}", "w") as wheel:
                wheel.write(sys.argv[1] + "/blob", "house/blob")
                wheel.writestr("house-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: house\\nVersion: 1.0\\n")
                wheel.writestr("house-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
                wheel.writestr("house-1.0.dist-info/RECORD", "")
            open(f"{sys.argv[1]}/simple/house/index.html", "w").write(f'<a href="{name}">{name}</a>')
            """, matrix.site)
        try matrix.send(files: { _ in 1 }) { door, directory in
            let script = """
                /usr/bin/python3 -m pip download -q --disable-pip-version-check --no-cache-dir --no-deps --retries 0 --cert "$BUNDLE" \\
                    --proxy \(door.url) --index-url \(https)/simple --dest \(directory) house
                cd \(directory)
                /usr/bin/python3 -m zipfile -e house-1.0-py3-none-any.whl . && mv house/blob blob && rm -r house house-1.0*
                """
            return ["sh", "-ec", script]
        }
    }

    @Test("Node.js with Debian's agents, which know no SOCKS: absolute-form and tunnel")
    func node() throws {
        try matrix.send(through: Matrix.doors.filter { !$0.isSOCKS }, files: { _ in 6 }) { door, directory in
            ["node", Matrix.program("node_client.js"), door.url, directory]
        }
    }

    @Test("Java's two clients, which know no TLS to a proxy")
    func java() throws {
        try home.lan.run("javac", "-d", home.directory, Matrix.program("JavaClient.java"))
        try matrix.send(through: Matrix.doors.filter { !$0.isTLS }, files: { $0.isSOCKS ? 4 : 8 }) { door, directory in
            // Without the first Java sends no password for a tunnel.
            [
                "java", "-Djdk.http.auth.tunneling.disabledSchemes=", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp",
                home.directory, "JavaClient", door.url, directory,
            ]
        }
    }

    @Test("Go's net/http")
    func go() throws {
        let program = home.directory + "/go_client"
        try home.lan.run(
            "env", "HOME=\(home.directory)", "CGO_ENABLED=0", "GOFLAGS=-mod=mod", "GO111MODULE=off", "go", "build",
            "-o", program,
            Matrix.program("go_client.go"))
        try matrix.send(files: { _ in 6 }) { door, directory in [program, door.url, directory] }
    }

    @Test("Python's requests, with content of known length and in chunks")
    func requests() throws {
        let files = { (door: Matrix.Door) in door.needsPassword && !door.isSOCKS ? 5 : 6 }
        try matrix.send(files: files) { door, directory in python("requests_client.py") + [door.url, directory] }
    }

    @Test("Python's aiohttp, many requests at once")
    func aiohttp() throws {
        try matrix.send(files: { _ in 10 }) { door, directory in python("aiohttp_client.py") + [door.url, directory] }
    }

    @Test("ffmpeg, which knows HTTP proxies alone, plays what is there")
    func ffmpeg() throws {
        let film = matrix.site + "/film.mkv"
        try home.wan.run(
            "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=duration=8:size=320x240:rate=25", "-c:v", "ffv1",
            film)
        func frames(_ options: [String]) -> [String] {
            ["ffmpeg", "-v", "error"] + options + ["-map", "0:v", "-c", "copy", "-f", "md5", "-"]
        }
        let expected = try home.wan.attempt(frames(["-i", film])).output
        #expect(expected.hasPrefix("MD5="))
        for url in ["\(http)/film.mkv", "\(https)/film.mkv"] {
            try matrix.send(
                through: Matrix.doors.filter { $0.scheme == "http" }, files: nil,
                check: { door, outcome, _ in #expect(outcome.output == expected, "\(door): \(outcome)") },
                { door, _ in
                    let trust = url.hasPrefix("https") ? ["-tls_verify", "1", "-ca_file", matrix.bundle] : []
                    return frames(["-http_proxy", door.url] + trust + ["-i", url])
                })
        }
    }

    @Test("OpenSSH through nc and ncat: a file each way, at once")
    func ssh() throws {
        let place = home.directory + "/ssh"
        try home.wan.run(
            "sh", "-ec",
            """
            mkdir -p \(place) /run/sshd
            cd \(place)
            ssh-keygen -q -t ed25519 -N '' -f host
            ssh-keygen -q -t ed25519 -N '' -f user
            printf '%s\\n' 'Port 22' 'HostKey \(place)/host' 'AuthorizedKeysFile \(place)/user.pub' 'StrictModes no' 'UsePAM no' \\
                'PidFile none' 'PermitRootLogin prohibit-password' >configuration
            """)
        let server = try RunningProgram(
            ["/usr/sbin/sshd", "-D", "-e", "-f", place + "/configuration"], in: home.wan, log: place + "/log")
        #expect(eventually { server.said.contains("listening") })
        try matrix.send(through: Matrix.doors.filter { !$0.isTLS }, files: { $0.needsPassword ? 1 : 2 }) {
            door, directory in
            let proxy = "\(Home.gatewayOnLAN):\(door.port)"
            let password = door.needsPassword ? " --proxy-auth \(Matrix.login)" : ""
            var ways = ["ncat --proxy \(proxy) --proxy-type \(door.isSOCKS ? "socks5" : "http")\(password) %h %p"]
            // OpenBSD's nc has no password for SOCKS5, and asks a person for that of HTTP.
            if !door.needsPassword { ways.append("nc -X \(door.isSOCKS ? "5" : "connect") -x \(proxy) %h %p") }
            let sessions = ways.enumerated().map { index, way in
                """
                ssh -F none -i \(place)/user -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \\
                    -o 'ProxyCommand=\(way)' root@\(Home.wanHost) cat <"$BLOB" >\(directory)/\(index)
                """
            }
            return ["sh", "-ec", sessions.joined(separator: "\n")]
        }
    }

    @Test("A torrent client, over UDP ASSOCIATE alone")
    func torrent() throws {
        let (file, torrent) = (matrix.site + "/blob", home.directory + "/blob.torrent")
        let seeder = try RunningProgram(
            python("torrent_client.py") + ["seed", file, torrent], in: home.wan, log: home.directory + "/seeder")
        #expect(eventually(within: .seconds(30)) { seeder.said.contains("ready") }, "\(seeder.said)")
        try matrix.send(through: Matrix.doors.filter(\.isSOCKS), files: { _ in 1 }) { door, directory in
            python("torrent_client.py") + ["get", door.url, directory, torrent, Home.wanHost]
        }
    }

    @Test("WebSocket clients: Python's, and Node's in absolute-form too")
    func webSocket() throws {
        // websocket-client knows no TLS to a proxy.
        try matrix.send(through: Matrix.doors.filter { !$0.isTLS }, files: { _ in 2 }) { door, directory in
            python("websocket_client.py") + [door.url, directory]
        }
        try matrix.send(through: Matrix.doors.filter { !$0.isSOCKS }, files: { _ in 3 }) { door, directory in
            ["node", Matrix.program("websocket_client.js"), door.url, directory]
        }
    }

    @Test("An upgrade as docker exec asks for it becomes a stream that each end closes by itself")
    func stream() throws {
        try matrix.send(files: { _ in 1 }) { door, directory in python("stream_client.py") + [door.url, directory] }
    }

    @Test(
        "Chromium by each kind of proxy and by the PAC file, with a password where it has one; and the page where it fails"
    )
    func chromium() throws {
        try "<!DOCTYPE html><title>t</title><p>hello".write(
            toFile: matrix.site + "/page.html", atomically: true, encoding: .utf8)
        // Where Chromium on Linux looks for authorities.
        try home.lan.run(
            "sh", "-ec",
            """
            mkdir -p \(home.directory)/.pki/nssdb
            for each in ca gateway; do
                certutil -A -d sql:\(home.directory)/.pki/nssdb --empty-password -t C,, -n $each -i \(home.directory)/$each.pem
            done
            """)
        let sites = ["\(http)/page.html", "\(https)/page.html"]
        let nowhere = "http://10.9.8.7/"
        func check(_ door: Matrix.Door, _ outcome: Outcome) throws {
            let result = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
            let pages = try #require(result?["pages"] as? [String: [String]], "\(door): \(outcome)")
            for site in sites { #expect(pages[site]?[0] == "hello", "\(door) \(site): \(pages)") }
            // Over SOCKS5 the browser is told a code and no word. The style is there, so its policy lets it be.
            guard !door.isSOCKS else { return }
            let page = try #require(pages[nowhere])
            #expect(page[0].contains("The gateway does not let this through"), "\(door): \(page)")
            #expect(page[1] == "rgb(244, 243, 239)", "\(door): \(page)")
            let complaints = result?["complaints"] as? [String] ?? []
            #expect(!complaints.contains { $0.contains("Content Security Policy") }, "\(complaints)")
        }
        let doors = Matrix.doors.filter { !$0.isSOCKS || !$0.needsPassword }
        for isByScript in [false, true] {
            let through = isByScript ? doors.filter { !$0.isSOCKS } : doors
            try matrix.send(
                through: through, files: nil, check: { door, outcome, _ in try check(door, outcome) },
                { door, _ in
                    let place = "\(Home.gatewayOnLAN):\(door.port)"
                    let scheme = door.isSOCKS ? "socks5" : door.scheme
                    let option =
                        isByScript
                        ? "--proxy-pac-url=\(scheme)://\(place)/proxy.pac" : "--proxy-server=\(scheme)://\(place)"
                    return (door.needsPassword ? ["LOGIN=\(Matrix.login)"] : [])
                        + python("chromium_client.py") + [option] + sites + (door.isSOCKS ? [] : [nowhere])
                })
        }
    }
}
