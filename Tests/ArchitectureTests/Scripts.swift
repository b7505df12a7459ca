import Foundation
import Testing

private let scripts = Repository.files.filter {
    $0.hasPrefix("scripts/") && !$0.dropFirst("scripts/".count).contains("/") && Repository.isExecutable($0)
}

@Suite("The scripts")
struct Scripts {
    // A script that does not know --help would run, so its text is looked at first.
    @Test("Each explains itself with --help", arguments: scripts)
    func help(script: String) throws {
        try #require(try Repository.text(script).contains("--help"), "\(script) does not know --help")
        let result = try Repository.run(script, "--help")
        #expect(result.status == 0)
        #expect(result.output.lowercased().contains("usage: \(script)"), "it printed: \(result.output)")
    }

    @Test("Each refuses an argument that it does not know", arguments: scripts)
    func unknownArgument(script: String) throws {
        try #require(try Repository.text(script).contains("unknown argument"), "\(script) takes any argument")
        let result = try Repository.run(script, "--no-such-option")
        #expect(result.status != 0)
        #expect(result.output.contains("--no-such-option"), "it printed: \(result.output)")
    }

    @Test("Packages are installed from the one list and nowhere else")
    func oneInstaller() throws {
        let others = Repository.files.filter {
            ($0.hasPrefix("scripts/") || $0.hasPrefix(".ci/") || $0.hasPrefix("packaging/"))
                && $0 != "scripts/machine.sh"
        }
        for file in others {
            #expect(try !Repository.text(file).contains("apt-get install"), "\(file) installs packages by itself")
        }
    }

    @Test("Each line of the list of packages is a package and the groups that are known")
    func packageList() throws {
        let groups: Set = ["build", "package", "runtime", "run", "test", "demo", "bench"]
        var seen: Set<Substring> = []
        for line in try Repository.text("packaging/dependencies").split(separator: "\n") {
            let fields = line.prefix(while: { $0 != "#" }).split(separator: " ")
            guard !fields.isEmpty else { continue }
            try #require(fields.count == 2, "\(line)")
            #expect(fields[0].wholeMatch(of: /[a-z0-9][a-z0-9+.-]+/) != nil, "\(line)")
            #expect(seen.insert(fields[0]).inserted, "\(fields[0]) is listed twice")
            #expect(groups.isSuperset(of: fields[1].split(separator: ",").map(String.init)), "\(line)")
        }
    }

    @Test("The scripts read the list of packages by group")
    func packagesOf() throws {
        let build = try Repository.run("bash", "-c", "source scripts/machine.sh; packages_of build")
        #expect(build.status == 0)
        let packages = build.output.split(separator: "\n")
        #expect(packages.contains("libnftnl-dev") && !packages.contains("nmap"))
        let both = try Repository.run("bash", "-c", "source scripts/machine.sh; packages_of build test")
        #expect(Set(both.output.split(separator: "\n")).isSuperset(of: packages + ["nmap"]))
    }

    @Test("Without root, what is missing is named with the command that installs it")
    func withoutRoot() throws {
        let result = try Repository.run(
            "bash", "-c",
            """
            source scripts/machine.sh
            packages_of() { echo no-such-package; }
            is_root() { false; }
            need build
            """)
        #expect(result.status == 1)
        #expect(result.output.contains("apt-get install --yes --no-install-recommends no-such-package"))
    }

    @Test("A port that is taken is named with its holder")
    func portHolder() throws {
        let result = try Repository.run(
            "python3", "-c",
            """
            import os, re, socket, subprocess
            taken = socket.create_server(("127.0.0.1", 0))
            script = open("scripts/run").read()
            function = re.search(r"(?ms)^port_holder\\(\\) \\{.*?^\\}", script).group(0)
            port = taken.getsockname()[1]
            def holder():
                return subprocess.run(["bash", "-c", f"{function}; port_holder {port}"], capture_output=True, text=True).stdout
            assert holder().strip().endswith(f"(pid {os.getpid()})"), holder()
            taken.close()
            assert holder() == "", holder()
            """)
        #expect(result.status == 0, "\(result.output)")
    }
}
