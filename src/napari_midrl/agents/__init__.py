"""The search game, the Q-networks that play it and the engines that run it."""
