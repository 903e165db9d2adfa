"""Floor 2: the source library, scene plans, their rendering, and procedural sounds. No torch here."""
