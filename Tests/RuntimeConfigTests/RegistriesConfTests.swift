import RuntimeConfig
import Testing

private let main = "/etc/containers/registries.conf"
private let dropIn = "/etc/containers/registries.conf.d/99-hawker.conf"
private let head = "# Written by `hawker runtime apply`; `hawker runtime revert` removes it.\n"

private func entry(_ prefix: String, _ location: String, _ mirror: String, insecure: Bool = false) -> String {
    "\n[[registry]]\nprefix = \"\(prefix)\"\nlocation = \"\(location)\"\n\(insecure ? "insecure = true\n" : "")"
        + "\n[[registry.mirror]]\nlocation = \"127.0.0.1:4001/\(mirror)\"\ninsecure = true\n"
}

@Suite("registries.conf of Podman, Buildah, Skopeo and CRI-O")
struct RegistriesConfTests {
    @Test("a registry without an entry gets one in a file of ours, and no other file changes")
    func dropIns() throws {
        let plain = "unqualified-search-registries = [\"docker.io\"]\n"
        for files in [
            [:], [main: ""], [main: plain],
            [main: plain, "/etc/containers/registries.conf.d/shortnames.conf": "[aliases]\n"],
            [main: "[[registry]]\nlocation = \"quay.io\"\n"],
            [main: "[[registry]]\nlocation = \"docker.io/library\"\n"],
            ["/etc/containers/registries.conf.d/backup.conf~": "not TOML"],
        ] {
            #expect(
                try planned(.podman, files) == [dropIn: head + entry("docker.io", "docker.io", "docker.io")])
        }
        let several = try planned(
            .crio, [:], registries: ["quay.io", "reg.example:5000", "r.example=http://10.0.0.1:5000"])
        let texts = [
            head, entry("quay.io", "quay.io", "quay.io"),
            entry("reg.example:5000", "reg.example:5000", "reg.example_5000"),
            entry("r.example", "10.0.0.1:5000", "r.example", insecure: true),
        ]
        #expect(several == [dropIn: texts.joined()])
        let secure = try planned(.podman, [:], mirror: "https://mirror.example")
        #expect(secure[dropIn]?.hasSuffix("location = \"mirror.example/docker.io\"\n") == true)
    }

    /// Files of a user, and what the mirror's table turns them into; `+` marks the place.
    private static let merges: [(String, String)] = [
        (
            "[[registry]]\nlocation = \"docker.io\"\n",
            "[[registry]]\nlocation = \"docker.io\"\n\n[[registry.mirror]]\nlocation = \"127.0.0.1:4001/docker.io\"\ninsecure = true\n"
        ),
        (
            "# mine\n[[registry]]\nprefix = 'docker.io' # hub\nlocation = 'docker.io/'\n\n# first\n[[registry.mirror]]\nlocation = 'm.example'\n\n[[registry]]\nlocation = 'quay.io'\n",
            "# mine\n[[registry]]\nprefix = 'docker.io' # hub\nlocation = 'docker.io/'\n\n[[registry.mirror]]\nlocation = '127.0.0.1:4001/docker.io'\ninsecure = true\n\n# first\n[[registry.mirror]]\nlocation = 'm.example'\n\n[[registry]]\nlocation = 'quay.io'\n"
        ),
        (
            "[[registry]]\r\nlocation = \"docker.io\"",
            "[[registry]]\r\nlocation = \"docker.io\"\r\n\r\n[[registry.mirror]]\r\nlocation = \"127.0.0.1:4001/docker.io\"\r\ninsecure = true\r\n"
        ),
        (
            "  [[registry]]\n    prefix = \"docker.io\"\n    location = \"hub.example:5000/proxy\"\n",
            "  [[registry]]\n    prefix = \"docker.io\"\n    location = \"hub.example:5000/proxy\"\n\n  [[registry.mirror]]\n    location = \"127.0.0.1:4001/hub.example_5000/proxy\"\n    insecure = true\n"
        ),
        (
            "[[registry]]\nlocation = \"quay.io\"\n[[registry.mirror]]\nlocation = \"q.example\"\n[[registry]]\nlocation = \"docker.io\"\nmirror-by-digest-only = true\n",
            "[[registry]]\nlocation = \"quay.io\"\n[[registry.mirror]]\nlocation = \"q.example\"\n[[registry]]\nlocation = \"docker.io\"\nmirror-by-digest-only = true\n\n[[registry.mirror]]\nlocation = \"127.0.0.1:4001/docker.io\"\ninsecure = true\n"
        ),
    ]

    @Test(
        "an entry of the user's gets the mirror in front of its own, and every other byte stays",
        arguments: merges)
    func merging(before: String, after: String) throws {
        #expect(try planned(.podman, [main: before]) == [main: after])
        #expect(try planned(.podman, [main: after]) == [:])
        let later = "/etc/containers/registries.conf.d/zz.conf"
        #expect(
            try planned(.podman, [main: "[[registry]]\nlocation = \"docker.io\"\n", later: before]) == [
                later: after
            ])
    }

    @Test("an entry that leads where the registry was said to be keeps the registry's name for the mirror")
    func sameOrigin() throws {
        let before = "[[registry]]\nprefix = \"r.example\"\nlocation = \"10.0.0.1:5000\"\ninsecure = true\n"
        let expected = [
            "r.example=http://10.0.0.1:5000": "r.example", "r.example": "10.0.0.1_5000",
            "r.example=http://10.0.0.2:5000": "10.0.0.1_5000",
        ]
        for (registry, name) in expected {
            let mirror = "\n[[registry.mirror]]\nlocation = \"127.0.0.1:4001/\(name)\"\ninsecure = true\n"
            #expect(try planned(.podman, [main: before], registries: [registry]) == [main: before + mirror])
        }
    }

    @Test(
        "what cannot be done without guessing is refused with rule and line",
        arguments: [
            ("[registries.search]\nregistries = ['docker.io']\n", "registries-v1 \(main):1"),
            (
                "[[registry]]\nlocation = \"docker.io\"\n[[registry]]\nprefix = \"docker.io\"\nlocation = \"x.example\"\n",
                "duplicate-entry \(main):3"
            ),
            ("[[registry]]\nlocation = \"docker.io\"\nblocked = true\n", "blocked \(main):1"),
            ("[[registry]]\nprefix = \"*.io\"\n", "wildcard-entry \(main):1"),
            ("[[registry]]\nprefix = \"docker.io\"\n", "wrong-type \(main):1"),
            ("[[registry]]\nlocation = \"https://docker.io\"\n", "wrong-type \(main):1"),
            ("[[registry]]\nLocation = \"docker.io\"\n", "wrong-type \(main):1"),
            ("[[registry]]\nlocation = \"docker.io\"\ninsecure = \"no\"\n", "wrong-type \(main):1"),
            (
                "[[registry]]\nlocation = \"docker.io\"\n[[registry.mirror]]\ninsecure = true\n",
                "wrong-type \(main):1"
            ),
            ("[registry]\nlocation = \"docker.io\"\n", "wrong-type \(main):1"),
            ("registry = [{ location = \"docker.io\" }]\n", "edit-failed \(main):1"),
            (
                "[[registry]]\nlocation = \"docker.io\"\nmirror = [{ location = \"m.example\" }]\n",
                "edit-failed \(main):1"
            ),
            (
                "[[registry]]\nlocation = \"docker.io\"\n[[registry.mirror]]\nlocation = \"m.example\"\n[[registry.mirror]]\nlocation = \"127.0.0.1:4001/docker.io\"\ninsecure = true\n",
                "mirror-not-first \(main):1"
            ),
            (
                "[[registry]]\nlocation = \"docker.io\"\n[[registry.mirror]]\nlocation = \"127.0.0.1:4001/docker.io\"\n",
                "mirror-not-first \(main):1"
            ),
            ("[[registry]]\nprefix = \"docker.io\"\nlocation = \"hub\"\n", "unsupported \(main):1"),
            ("[[registry]\n", "invalid-toml \(main):1"),
        ]
    )
    func refusals(text: String, refusal: String) throws {
        #expect(try planned(.podman, [main: text]) == ["refused": refusal])
    }

    @Test("a file of our name that is not ours is left alone, and so is a host that is no part of a name")
    func foreign() throws {
        #expect(
            try planned(.podman, [dropIn: "[[registry]]\nlocation = \"x.example\"\n"]) == [
                "refused": "foreign-file \(dropIn)"
            ])
        #expect(try planned(.podman, [:], registries: ["[::1]:5000"]) == ["refused": "unsupported \(main)"])
        #expect(try planned(.podman, [:], registries: ["registry"]) == ["refused": "unsupported \(main)"])
    }
}
