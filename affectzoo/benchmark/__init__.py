"""Systems measured on the exact faces of protocols: records, leaderboard, comparisons."""
