from fuzzing.run import main

main()
