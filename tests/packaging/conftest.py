"""`-m packages` runs what needs the built packages (packaging/build-deb) alone, `-m "not packages"` what needs none."""


def pytest_configure(config):
    config.addinivalue_line("markers", "packages: installs the packages of build/deb in a fresh root; slow")
