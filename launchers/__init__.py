"""Where it runs: settings, LaunchPads, workers, engines and the command line."""
